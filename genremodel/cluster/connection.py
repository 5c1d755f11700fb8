"""The connection of a client to the scheduler of a cluster: all that is asked of Dask."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

from genremodel.cluster.settings import Cluster
from genremodel.cluster.tasks import FilesResult, FilesTask, analyze_files, check_worker
from genremodel.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future, Scheduler, Security

CONNECT_SECONDS = 10
_ANSWER_SECONDS = 10  # of the scheduler, while it has more to do than to answer
_CLOSE_SECONDS = 5
# The scheduler keeps 100,000 names of tasks in caches. These are used again when they are free, and
# long after the scheduler has forgotten the tasks that had them.
_TASK_NAMES = 4096
_GROUP = "genreclf"  # of tasks in the scheduler, by the beginning of their names
_TRIM_EVERY = 512  # by the scheduler, until its notes are removed

# A result, why no file can be analyzed any longer, or None: the workers died that had the task.
Answer: TypeAlias = "FilesResult | ClusterError | None"


def quiet_dask(level: str) -> None:
    """Keep Dask from logging less than a level on the standard error, before it is imported.

    Raises ClusterError if it is not installed.
    """
    try:
        import dask
    except ImportError as exc:
        raise ClusterError(
            f"{exc}: a cluster needs `pip install beets-genreclf[cluster]`"
        ) from None
    names = ("distributed", "distributed.client", "distributed.worker", "distributed.core")
    dask.config.set({"logging": dict.fromkeys(names, level)})
    try:
        import distributed
    except ImportError as exc:
        raise ClusterError(
            f"{exc}: a cluster needs `pip install beets-genreclf[cluster]`"
        ) from None
    for name in names:
        logging.getLogger(name).setLevel(level.upper())
    # The versions that matter are compared, see `versions`.
    warnings.filterwarnings("ignore", category=distributed.versions.VersionMismatchWarning)


def security(cluster: Cluster) -> Security | None:
    """Return the certificates of a cluster as Dask takes them, and require their use."""
    from distributed import Security

    files = cluster.certificates
    if files is None:
        return None
    roles = {
        f"tls_{role}_{kind}": str(file)
        for role in ("client", "worker")
        for kind, file in (("cert", files.cert), ("key", files.key))
    }
    return Security(tls_ca_file=str(files.ca), require_encryption=True, **roles)


def connection_problem(cluster: Cluster, error: BaseException) -> ClusterError:
    """Return the error of an address that cannot be connected to."""
    reason: BaseException | None = error
    while reason is not None:
        if isinstance(reason, ssl.SSLError):
            detail = getattr(reason, "verify_message", "") or reason.reason or str(reason)
            return ClusterError(f"{cluster.address}: the certificates do not fit: {detail}")
        reason = reason.__cause__ or reason.__context__
    if isinstance(error, PermissionError):
        return ClusterError(f"{cluster.address}: the certificates cannot be read")
    return ClusterError(f"{cluster.address}: the scheduler cannot be reached")


def _trim_notes(dask_scheduler: Scheduler) -> None:
    """Remove a scheduler's notes about submitted tasks, which it would keep forever."""
    group = dask_scheduler.task_groups.get(_GROUP)
    span = group and dask_scheduler.extensions["spans"].spans.get(group.span_id)
    if span and span.metadata:
        notes = span.metadata["collections"]
        notes[:] = [note for note in notes if note != {"type": "Future"}]


def _try_connection(cluster: Cluster) -> None:
    """Connect once: a client of Dask waits forever for a program that does not answer.

    Raises the exceptions of Dask and the system.
    """
    from distributed.core import connect

    certificates = security(cluster)
    options = certificates.get_connection_args("client") if certificates else {}

    async def run() -> None:
        connecting = connect(cluster.address, timeout=CONNECT_SECONDS, **options)
        comm = await asyncio.wait_for(connecting, CONNECT_SECONDS + _ANSWER_SECONDS)
        await comm.close()

    with ThreadPoolExecutor(1) as thread:  # this one may have an event loop
        thread.submit(asyncio.run, run()).result()


class Connection:
    """A connection to a scheduler. Raises ClusterError.

    versions: those that each worker must have.
    """

    def __init__(self, cluster: Cluster, versions: Mapping[str, str]) -> None:
        from distributed import Client

        self._cluster = cluster
        self.versions = versions
        name = f"{_GROUP}-{uuid4().hex}"
        self._names = deque(f"{name}-{number}" for number in range(_TASK_NAMES))
        self._collected = 0
        self._answers: SimpleQueue[tuple[Callable[[Answer], None], Answer] | None] = SimpleQueue()
        # Not in the thread of Dask, which must answer the scheduler.
        self._thread = threading.Thread(target=self._deliver, daemon=True)
        try:
            _try_connection(cluster)
            self._client: Client = Client(
                cluster.address,
                security=security(cluster),
                timeout=CONNECT_SECONDS,
                set_as_default=False,
                name="genreclf",
            )
        except Exception as exc:  # whatever is at the address
            raise connection_problem(cluster, exc) from exc
        try:
            self._check_workers()
            self._thread.start()
        except BaseException:
            self._disconnect()
            raise

    def count_threads(self) -> int | None:
        """Return how many tasks the workers run at once, None if the scheduler does not answer."""
        with suppress(Exception):  # Dask's, and those of the system
            threads = self._client.sync(
                self._client.scheduler.ncores, callback_timeout=_ANSWER_SECONDS
            )
            return sum(threads.values())
        return None

    def submit(self, task: FilesTask, receive: Callable[[Answer], None]) -> None:
        """Give a task to a worker. receive: is called with the answer in another thread, once."""
        key = self._names.popleft() if self._names else f"{_GROUP}-{uuid4().hex}"
        try:
            future = self._client.submit(analyze_files, task, key=key, pure=False)
            self._client.loop.add_callback(self._collect, future, receive)
        except Exception as exc:  # the client has been closed by Dask
            raise self._lost() from exc

    def close(self) -> None:
        """Cancel the tasks and disconnect. They receive no answer."""
        self._answers.put(None)
        self._thread.join()
        self._disconnect()

    def _disconnect(self) -> None:
        with suppress(Exception):  # the scheduler may not be there any longer
            self._client.close(timeout=_CLOSE_SECONDS)

    def _deliver(self) -> None:
        for receive, answer in iter(self._answers.get, None):
            receive(answer)

    async def _collect(self, future: Future, receive: Callable[[Answer], None]) -> None:
        answer = await self._answer(future)
        future.release()
        self._names.append(future.key)
        self._answers.put((receive, answer))
        self._collected += 1
        if self._collected % _TRIM_EVERY == 0:
            with suppress(Exception):  # the connection is lost, or the scheduler refuses functions
                await self._client.run_on_scheduler(_trim_notes)

    async def _answer(self, future: Future) -> Answer:
        """Return the answer to a task, whose future must be kept, or the task is canceled."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            return await self._client.gather(future, asynchronous=True)
        except ClusterError as exc:
            return exc
        except KilledWorker:
            return None
        except (FutureCancelledError, OSError):
            return self._lost()
        except Exception as exc:
            return ClusterError(f"a worker of the cluster failed: {type(exc).__name__}: {exc}")

    def _lost(self) -> ClusterError:
        return ClusterError(f"{self._cluster.address}: the connection to the scheduler is lost")

    def _check_workers(self) -> None:
        try:
            answers: dict[str, Any] = self._client.run(
                check_worker, self.versions, on_error="return"
            )
        except Exception as exc:  # the scheduler has ended
            raise self._lost() from exc
        if not answers:
            raise ClusterError(
                f"{self._cluster.address}: the cluster has no workers; start some by `python -m "
                "genremodel.cluster worker`"
            )
        for address, error in answers.items():
            if isinstance(error, ClusterError):
                raise error
            if isinstance(error, Exception):
                raise ClusterError(f"the worker {address}: {type(error).__name__}: {error}")
