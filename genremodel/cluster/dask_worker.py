"""A worker of a cluster: a worker of Dask that has worker processes of its own."""

from __future__ import annotations

import asyncio
import os
import platform

from genremodel.analyzer import DEFAULT_TIMEOUT
from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.batch.processes import NoWorkersError, Processes
from genremodel.batch.worker import WorkerConfig
from genremodel.classifier import GenreClassifier
from genremodel.cluster import tasks
from genremodel.cluster.connection import (
    CONNECT_SECONDS,
    connection_problem,
    quiet_dask,
    security,
)
from genremodel.cluster.settings import Cluster
from genremodel.cluster.versions import own_versions
from genremodel.errors import ClusterError


def serve(cluster: Cluster, count: int) -> None:
    """Analyze files for the clients of a scheduler with so many processes, until it ends.

    Raises ClusterError, when it ends at the latest; ModelError, ImportError.
    """
    quiet_dask("error")
    classifier = GenreClassifier()
    config = WorkerConfig(classifier.backend, DEFAULT_WINDOWS, None, DEFAULT_TIMEOUT, retry=False)
    name = f"{platform.node()}-{os.getpid()}"
    processes = Processes(config, count)
    try:
        processes.result(processes.schedule(os.getpid))  # started, or none can be
        versions = own_versions(classifier.analysis_version)
        tasks.own_worker = tasks.FileWorker(name, versions, processes)
        asyncio.run(_serve(cluster, name, count, processes))
    except NoWorkersError as exc:
        raise ClusterError(str(exc)) from exc
    finally:
        processes.close()
    raise ClusterError(f"{cluster.address}: the connection to the scheduler is lost")


async def _serve(cluster: Cluster, name: str, count: int, processes: Processes) -> None:
    # Without a nanny: it would start a process that may not have children.
    from distributed import Worker

    try:
        worker = await Worker(
            cluster.address,
            name=name,
            nthreads=count,
            security=security(cluster),
            host=cluster.host if cluster.is_local else None,
            dashboard_address="127.0.0.1:0",  # it is not encrypted
            memory_limit=0,  # of this process, which only waits
            death_timeout=CONNECT_SECONDS,
        )
    except (OSError, TimeoutError, asyncio.TimeoutError) as exc:
        raise connection_problem(cluster, exc) from exc
    print(f"worker {name}: {count} processes, connected to {cluster.address}", flush=True)
    try:
        await worker.finished()
    finally:
        processes.close()  # the threads of Dask wait for them
        await worker.close(timeout=1)
