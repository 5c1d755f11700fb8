"""Analyze files by the workers of a cluster."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from genremodel.analysis import Analysis
from genremodel.audio.decoding import PathLike
from genremodel.batch.outcome import Outcome
from genremodel.batch.worker import AnalysisMethod, FileAnalyzer, WorkerConfig
from genremodel.cluster.connection import Answer, Connection, quiet_dask
from genremodel.cluster.settings import Cluster
from genremodel.cluster.tasks import FilesResult, FilesTask
from genremodel.cluster.versions import own_versions
from genremodel.errors import AudioError, ClusterError, as_audio_error

# Fewer make the scheduler and the client slower, more leave workers idle at the end.
FILES_PER_TASK = 8
_TASKS_AHEAD = 2  # per thread of a worker
_LEAST_LOOKAHEAD = 64
_POLL_SECONDS = 5
_COUNT_SECONDS = 30  # between counts of the threads: workers come and go
_PATIENCE = 60  # seconds without any worker: machines are started again meanwhile


@dataclass(eq=False)
class _File:
    """A file that is being analyzed. remote: what the workers call it."""

    path: PathLike
    remote: str
    method: AnalysisMethod | None
    analysis: Future[Analysis] = field(default_factory=Future)


class ClusterWorkers:
    """Implements `Workers`. Connects when the first file is scheduled.

    Files whose worker died several times are analyzed again one after the other, while nothing else
    is: only the one that is to blame fails.
    analyzer: stores the results.
    """

    def __init__(self, cluster: Cluster, config: WorkerConfig, analyzer: FileAnalyzer) -> None:
        quiet_dask("critical")
        self._cluster = cluster
        self._config = config
        self._analyzer = analyzer
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._folder = ""  # the common folder of all scheduled files
        self._end: ClusterError | AudioError | None = None  # why nothing is analyzed any longer
        self._waiting: deque[_File] = deque()  # to be sent
        self._suspects: deque[_File] = deque()  # to be sent alone
        self._sent: set[_File] = set()
        self._is_awaited = False  # one of the files to be sent
        self._threads = 0
        self._counted = 0.0  # when the threads were
        self._missing_since: float | None = None  # while there are no workers

    @property
    def lookahead(self) -> int:
        """See `Workers`."""
        return max(_LEAST_LOOKAHEAD, self._threads * _TASKS_AHEAD * FILES_PER_TASK)

    @property
    def problems(self) -> list[str]:
        """See `Workers`."""
        error = self._analyzer.cache.error
        return [f"running without the analysis cache: {error}"] if error else []

    def failure_of_all(self, path: PathLike) -> ClusterError | None:
        """See `Workers`."""
        return self._cluster.missing_share(path, self._folder)

    def schedule(self, path: PathLike, method: AnalysisMethod | None) -> Callable[[], Analysis]:
        """See `Workers`."""
        file = _File(path, self._cluster.remote_path(path), method)
        with self._lock:
            self._connect()
            self._extend_folder(path)
            self._waiting.append(file)
            self._send()
        return partial(self._wait, file)

    def close(self) -> None:
        """See `Workers`."""
        with self._lock:
            connection, self._connection = self._connection, None
            self._stop(AudioError("the pool is closed"))
        if connection:
            connection.close()

    def _extend_folder(self, path: PathLike) -> None:
        folder = os.path.dirname(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100, PTH120
        with suppress(ValueError):  # several drives of Windows
            self._folder = os.path.commonpath([folder, self._folder or folder])

    def _connect(self) -> None:
        if self._end:
            raise self._end
        if self._connection is None:
            bundled = isinstance(self._config.backend, str)
            versions = own_versions(self._analyzer.method.version if bundled else None)
            try:
                self._connection = Connection(self._cluster, versions)
            except ClusterError as exc:
                self._stop(exc)
                raise
            self._count_threads()

    def _wait(self, file: _File) -> Analysis:
        """Return the analysis of a file. Raises AudioError or ClusterError."""
        with self._lock:
            if file in self._waiting:  # no others are coming
                self._is_awaited = True
                self._send()
        if not file.analysis.done() and time.monotonic() - self._counted > _COUNT_SECONDS:
            self._count_threads()
        while True:
            try:
                return file.analysis.result(timeout=_POLL_SECONDS)
            except FutureTimeout:
                if not file.analysis.done():
                    self._count_threads()

    def _send(self) -> None:
        """Send files in full tasks, unless one is waited for; suspects first, and alone."""
        if self._suspects:
            if not self._sent:
                self._submit([self._suspects.popleft()])
            return
        while len(self._waiting) >= (1 if self._is_awaited else FILES_PER_TASK):
            count = min(len(self._waiting), FILES_PER_TASK)
            self._submit([self._waiting.popleft() for _ in range(count)])
        self._is_awaited = False

    def _submit(self, files: Sequence[_File]) -> None:
        assert self._connection is not None
        default = None if isinstance(self._config.backend, str) else self._config.backend
        task = FilesTask(
            self._connection.versions,
            tuple((file.remote, file.method or default) for file in files),
            self._config.windows,
            self._config.timeout,
        )
        self._sent.update(files)
        try:
            self._connection.submit(task, partial(self._receive, files))
        except ClusterError as exc:
            self._stop(exc)

    def _receive(self, files: Sequence[_File], answer: Answer) -> None:
        """Complete files whose task has ended."""
        if isinstance(answer, FilesResult):
            for file, outcome in zip(files, answer.outcomes, strict=True):
                self._store(file, outcome, answer.worker)
        with self._lock:
            self._sent.difference_update(files)
            self._missing_since = None
            if isinstance(answer, ClusterError) or self._end:
                self._stop(answer if isinstance(answer, ClusterError) else None, files)
                return
            if answer is None and len(files) == 1:
                error = AudioError("each worker that analyzed it ended unexpectedly")
                files[0].analysis.set_exception(error)
            elif answer is None:
                self._suspects.extend(files)
            self._send()

    def _store(self, file: _File, outcome: Outcome, worker: str) -> None:
        """Store the outcome of a file, even if nothing waits for it any longer."""
        error: Exception | None = None
        if outcome.lacks_folder and os.path.exists(file.path):  # noqa: PTH110  # bytes
            error = ClusterError(
                f"the worker {worker} cannot read the folder of {file.remote}; check that it is "
                "mounted there"
            )
        else:
            try:
                with self._analyzer.using(file.method) as analyzer:
                    analysis = analyzer.accept(file.path, outcome)
            except Exception as exc:
                error = self.failure_of_all(file.path) or as_audio_error(exc)
        with self._lock:
            if isinstance(error, ClusterError):
                self._stop(error, [file])
            elif file.analysis.done():
                pass
            elif error:
                file.analysis.set_exception(error)
            else:
                file.analysis.set_result(analysis)

    def _stop(self, reason: ClusterError | AudioError | None, files: Sequence[_File] = ()) -> None:
        """Fail all files that are not finished. reason: unless there has been one before."""
        self._end = self._end or reason
        for file in (*files, *self._waiting, *self._suspects, *self._sent):
            if not file.analysis.done():
                file.analysis.set_exception(self._end)
        for files_ in (self._waiting, self._suspects, self._sent):
            files_.clear()

    def _count_threads(self) -> None:
        """Ask how many threads the workers have, and stop if there have been none for long."""
        connection = self._connection
        threads = connection.count_threads() if connection else None
        now = time.monotonic()
        with self._lock:
            self._counted = now
            self._threads = threads or self._threads
            if threads:
                self._missing_since = None
            elif self._missing_since is None:
                self._missing_since = now
            elif now - self._missing_since > _PATIENCE:
                problem = "has no workers any longer" if threads == 0 else "does not answer"
                self._stop(ClusterError(f"{self._cluster.address}: the cluster {problem}"))
