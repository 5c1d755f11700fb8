"""Analyze files on several machines, by workers that a scheduler of Dask assigns them to.

Dask carries paths to the workers and analyses back. Each worker analyzes files in processes of its
own, which may crash or hang without harm, see `genremodel.batch`. The client alone stores results.
"""

from genremodel.cluster.settings import Certificates, Cluster

__all__ = ["Certificates", "Cluster"]
