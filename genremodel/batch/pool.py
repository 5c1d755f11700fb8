"""Analyze many files in parallel worker processes, which may crash or hang without harm.

Native decoders meet files that their authors did not foresee. Pebble runs each file as a task of
its own: one that kills its worker, or takes too long, fails alone. If no worker can be started,
files are analyzed in this process.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as TaskTimeout
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from genremodel.analysis import Analysis
from genremodel.audio.decoding import PathLike
from genremodel.batch import worker
from genremodel.batch.spawning import (
    WorkerContext,
    interrupts_blocked,
    prepare,
    require_spare_files,
)
from genremodel.batch.worker import FileAnalyzer, WorkerConfig, WorkerResult
from genremodel.errors import AnalysisTimeout, AudioError, as_audio_error
from genremodel.models.base import Backend

LOOKAHEAD = 64  # files that are analyzed ahead of the one that is waited for
# A file is not the cause of these: it may be tried again.
_KILLED = {-getattr(signal, name, 0) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")}
_POLL_SECONDS = 0.2

P = TypeVar("P", bound=PathLike)


class _Task(NamedTuple):
    """A file that was given to worker processes."""

    processes: ProcessPool
    future: ProcessFuture[WorkerResult]


def cpu_count() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool:
    """A pool of worker processes that analyze files. They are started when first needed.

    Made by `GenreClassifier.pool`. A context manager: it closes the pool.
    workers: the number of processes, by default one per CPU.

    Attributes
    ----------
    cache : Cache
        The cache of analyses in this process.
    """

    def __init__(self, config: WorkerConfig, backend: Backend, workers: int | None = None) -> None:
        self._config = config
        self._analyzer = FileAnalyzer(config, backend)
        self._workers = workers or cpu_count()
        self.cache = self._analyzer.cache
        self._worker_cache_error: str | None = None
        self._lock = threading.RLock()  # the stages of an import are threads
        self._processes: ProcessPool | None = None
        # A daemon, so that a pool that was not closed does not keep the program from exiting.
        self._waiter = threading.Thread(target=self._complete_submitted, daemon=True)
        self._submitted: SimpleQueue[tuple[Future[Analysis], PathLike, _Task | None] | None]
        self._submitted = SimpleQueue()
        self._unfinished: set[ProcessFuture[WorkerResult]] = set()
        self._has_worked = False  # whether a worker has started with a file
        self._start_error: str | None = None  # why no worker can be started
        self._closed = False

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def problems(self) -> list[str]:
        """Warnings for the user about how files were analyzed."""
        problems = []
        if error := self.cache.error or self._worker_cache_error:
            problems.append(f"running without the analysis cache: {error}")
        if self._start_error:
            problems.append(
                f"worker processes could not be started ({self._start_error}): files are analyzed "
                "in this process, without a time limit or protection from crashes"
            )
        return problems

    def submit(self, path: PathLike) -> Future[Analysis]:
        """Start to analyze a file.

        Returns
        -------
        concurrent.futures.Future of Analysis
            Raises AudioError, and no other exception, if the file cannot be analyzed.
        """
        future: Future[Analysis] = Future()
        try:
            known = self._analyzer.lookup(path)
        except Exception as exc:
            future.set_exception(as_audio_error(exc))
            return future
        if known is not None:
            future.set_result(known)
            return future
        with self._lock:
            task = self._schedule(path)
            if self._start_waiter():
                self._submitted.put((future, path, task))
                return future
        self._complete(future, path, task)
        return future

    def map(
        self, paths: Iterable[P], *, lookahead: int = LOOKAHEAD
    ) -> Generator[tuple[P, Analysis | AudioError]]:
        """Analyze files and yield the results in order.

        Parameters
        ----------
        paths : iterable of paths
            The files. It is read as results are taken.
        lookahead : int
            The number of files that are analyzed ahead of the one that is yielded.

        Yields
        ------
        path, Analysis or AudioError
        """
        pending: deque[tuple[P, Future[Analysis]]] = deque()
        try:
            for path in paths:
                pending.append((path, self.submit(path)))
                if len(pending) > lookahead:
                    yield _result(*pending.popleft())
            while pending:
                yield _result(*pending.popleft())
        finally:
            for _, future in pending:
                future.cancel()

    def lookup_audio(self, path: PathLike) -> Analysis | None:
        """Return the cached analysis of the audio in a file, or None.

        Raises AudioError if its analysis failed before, or the file cannot be read.
        """
        return self._analyzer.lookup_audio(path)

    def close(self) -> None:
        """Stop the workers, even if they are analyzing files, and close the cache."""
        with self._lock:
            self._closed = True
            self._stop(at_once=bool(self._unfinished))
        self._submitted.put(None)
        if self._waiter.is_alive():
            self._waiter.join()
        self.cache.close()

    def _schedule(self, path: PathLike) -> _Task | None:
        """Give a file to the workers. Return None if none can be started."""
        with self._lock:
            if self._start_error or self._closed:
                return None
            try:
                with suppress(RuntimeError):  # the workers died while they were idle
                    return self._hand_over(path)
                self._stop()
                return self._hand_over(path)
            except Exception as exc:  # of the system, multiprocessing or pebble
                self._give_up_workers(_reason(exc))
                return None

    def _hand_over(self, path: PathLike) -> _Task:
        new = self._processes is None
        if self._processes is None:
            prepare()
            context = WorkerContext()
            self._processes = ProcessPool(
                max_workers=self._workers,
                initializer=worker.init_worker,
                initargs=[self._config, context.semaphores],
                context=context,
            )
        with interrupts_blocked():
            future = self._processes.schedule(
                worker.analyze, args=[path], timeout=self._config.timeout
            )
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        if new:
            require_spare_files()
        return _Task(self._processes, future)

    def _stop(self, *, at_once: bool = True) -> None:
        processes, self._processes = self._processes, None
        if processes is None:
            return
        with suppress(Exception):  # the reason why it did not start may keep it from stopping
            if at_once:
                processes.stop()  # type: ignore[no-untyped-call]
            else:
                processes.close()  # type: ignore[no-untyped-call]
            processes.join()

    def _give_up_workers(self, reason: str) -> None:
        """Analyze files in this process from now on."""
        self._start_error = reason
        self._stop()

    def _start_waiter(self) -> bool:
        """Return False if the pool is closed, or the system has no thread to wait for workers."""
        if self._closed:
            return False
        if not self._waiter.is_alive():
            with suppress(RuntimeError), interrupts_blocked():
                self._waiter.start()
        return self._waiter.is_alive()

    def _complete_submitted(self) -> None:
        """Complete the futures of submitted files in order, until the pool is closed."""
        for submitted in iter(self._submitted.get, None):
            self._complete(*submitted)

    def _complete(self, future: Future[Analysis], path: PathLike, task: _Task | None) -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(self._wait(path, task))
            except Exception as exc:
                future.set_exception(as_audio_error(exc))

    def _wait(self, path: PathLike, task: _Task | None) -> Analysis:
        """Return the analysis by a task, or by this process without one."""
        try:
            result = self._task_result(path, task) if task else None
        except TaskTimeout:
            error: AudioError = AnalysisTimeout(self._config.timeout)
        except ProcessExpired as exc:
            if exc.exitcode in _KILLED:
                raise AudioError("the worker process was killed") from exc
            error = AudioError(f"the decoder crashed ({_describe_exit(exc.exitcode)})")
        except BrokenProcessPool as exc:
            raise AudioError("the worker processes ended unexpectedly") from exc
        else:
            if result:
                analysis, cache_error = result
                self._worker_cache_error = cache_error or self._worker_cache_error
                return analysis
            if self._closed:
                raise AudioError("the pool is closed")
            return self._analyzer.analyze(path)
        self.cache.record_failure(path, error)
        raise error

    def _task_result(self, path: PathLike, task: _Task) -> WorkerResult | None:
        """Wait for a task, and for another if all workers died before they started with it.

        Returns None if no worker can be started. Raises BrokenProcessPool if the workers die twice
        although workers have started before: this file may be the cause.
        """
        try:
            return self._wait_alive(task)
        except BrokenProcessPool:
            with self._lock:
                if self._processes is task.processes:
                    self._stop()
        again = self._schedule(path)
        if again is None:
            return None
        try:
            return self._wait_alive(again)
        except BrokenProcessPool:
            with self._lock:
                if self._has_worked:
                    raise
                self._give_up_workers("they exit before they start")
            return None

    def _wait_alive(self, task: _Task) -> WorkerResult:
        """Wait for a task. Raises BrokenProcessPool if its pool has ended without it."""
        while not task.future.done():
            if not task.processes.active:
                raise BrokenProcessPool
            wait([task.future], timeout=_POLL_SECONDS)
        self._has_worked |= not isinstance(task.future.exception(), BrokenProcessPool)
        return task.future.result()


def _result(path: P, future: Future[Analysis]) -> tuple[P, Analysis | AudioError]:
    try:
        return path, future.result()
    except AudioError as exc:
        return path, exc


def _reason(error: Exception) -> str:
    """Return why a pool cannot be started, as the system describes it if possible."""
    cause = error.__cause__ or error  # pebble's own exceptions have no message
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


def _describe_exit(exitcode: int) -> str:
    try:
        return signal.Signals(-exitcode).name
    except ValueError:
        return f"exit status {exitcode}"
