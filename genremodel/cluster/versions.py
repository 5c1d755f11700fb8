"""Compare the machines of a cluster: results of different versions are not interchangeable."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np

import genremodel
from genremodel.models.base import FRONT_END

# Not shown: checksums, or a number that means nothing to users.
_OPAQUE = ("model", "front end")


def own_versions(analysis_version: str | None) -> dict[str, str]:
    """Return the versions of this process by their names.

    analysis_version: that of the model, None where it is not the model that makes analyses.
    """
    import distributed

    versions = {
        "beets-genreclf": genremodel.__version__,
        "front end": FRONT_END,
        "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "NumPy": np.__version__,
        "Dask": distributed.__version__,
    }
    return versions if analysis_version is None else {**versions, "model": analysis_version}


def difference(wanted: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """Return how the versions of a worker differ from those of a client, if they do."""
    differing = [
        f"another {name}" if name in _OPAQUE else f"{name} {found.get(name)}, not {version}"
        for name, version in wanted.items()
        if found.get(name) != version
    ]
    return "; ".join(differing) or None
