"""Analyze many files in parallel worker processes, which may crash or hang without harm.

If no worker can be started, files are analyzed in this process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as TaskTimeout
from contextlib import contextmanager, suppress
from functools import partial
from itertools import repeat
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeAlias, TypeVar

from pebble import ProcessExpired

from genremodel.analysis import Analysis
from genremodel.audio.decoding import PathLike
from genremodel.batch import worker
from genremodel.batch.processes import (
    NoWorkersError,
    Processes,
    Task,
    expiration_error,
    was_killed,
)
from genremodel.batch.spawning import interrupts_blocked
from genremodel.batch.worker import AnalysisMethod, FileAnalyzer, WorkerConfig
from genremodel.errors import AnalysisTimeout, AudioError, as_audio_error

LOOKAHEAD = 64  # files that are analyzed ahead of the one that is waited for

_Submitted: TypeAlias = "tuple[Future[Analysis], PathLike, AnalysisMethod | None, Task | None]"
P = TypeVar("P", bound=PathLike)
T = TypeVar("T")
Arguments = ParamSpec("Arguments")


class Pool:
    """A pool of worker processes that analyze files. They are started when first needed.

    Made by `GenreClassifier.pool`. A context manager: it closes the pool.
    method: that of the configuration. workers: the number of processes, by default one per CPU.

    Attributes
    ----------
    cache : Cache
        The cache of analyses in this process.
    """

    def __init__(
        self, config: WorkerConfig, method: AnalysisMethod, workers: int | None = None
    ) -> None:
        self._config = config
        self._analyzer = FileAnalyzer(config, method)
        self.cache = self._analyzer.cache
        self._worker_cache_error: str | None = None
        self._lock = threading.RLock()  # the stages of an import are threads
        self._processes = Processes(config, workers)
        # A daemon, so that a pool that was not closed does not keep the program from exiting.
        self._waiter = threading.Thread(target=self._complete_submitted, daemon=True)
        self._submitted: SimpleQueue[_Submitted | None] = SimpleQueue()
        self._running: set[Future[Any]] = set()  # results of `run`

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
        if error := self._processes.start_error:
            problems.append(
                f"worker processes could not be started ({error}): files are analyzed in this "
                "process, without a time limit or protection from crashes"
            )
        return problems

    def submit(self, path: PathLike, method: AnalysisMethod | None = None) -> Future[Analysis]:
        """Start to analyze a file.

        Parameters
        ----------
        path
            The file.
        method : AnalysisMethod, optional
            How to analyze it, by default as the pool does.

        Returns
        -------
        concurrent.futures.Future of Analysis
            Raises AudioError, and no other exception, if the file cannot be analyzed.
        """
        future: Future[Analysis] = Future()
        try:
            with self._analyzer_for(method) as analyzer:
                known = analyzer.lookup(path)
        except Exception as exc:
            future.set_exception(as_audio_error(exc))
            return future
        if known is not None:
            future.set_result(known)
            return future
        with self._lock:
            task = self._processes.schedule(worker.analyze, path, method)
            submitted = future, path, method, task
            if self._start_waiter():
                self._submitted.put(submitted)
                return future
        self._complete(*submitted)
        return future

    def map(
        self,
        paths: Iterable[P],
        methods: Iterable[AnalysisMethod | None] = repeat(None),
        *,
        lookahead: int = LOOKAHEAD,
    ) -> Generator[tuple[P, Analysis | AudioError]]:
        """Analyze files and yield the results in order.

        Parameters
        ----------
        paths : iterable of paths
            The files. It is read as results are taken.
        methods : iterable of AnalysisMethod, optional
            How to analyze each, see `submit`.
        lookahead : int
            The number of files that are analyzed ahead of the one that is yielded.

        Yields
        ------
        path, Analysis or AudioError
        """
        pending: deque[tuple[P, Future[Analysis]]] = deque()
        try:
            for path, method in zip(paths, methods, strict=False):
                pending.append((path, self.submit(path, method)))
                if len(pending) > lookahead:
                    yield _result(*pending.popleft())
            while pending:
                yield _result(*pending.popleft())
        finally:
            for _, future in pending:
                future.cancel()

    def run(
        self,
        function: Callable[Arguments, T],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Future[T]:
        """Start to run a function in a worker process, never in this one.

        It takes its turn after the files and functions that were submitted before. It has the time
        limit of a file. Nothing is stored in the cache.

        Parameters
        ----------
        function : callable
            A function of a module of this package, such as `spectrogram_image`, `transcode`,
            `media_type` or `analyze_uncached`.
        *args, **kwargs
            Its arguments.

        Returns
        -------
        concurrent.futures.Future
            What the function returns. Raises AudioError, and no other exception, if the function
            fails, its worker crashes, or no worker can be started. It can be canceled while the
            function runs: its worker is stopped.

        Examples
        --------
        >>> from genremodel import GenreClassifier
        >>> from genremodel.audio.media_type import media_type
        >>> with GenreClassifier().pool(workers=1) as pool:
        ...     print(pool.run(media_type, "none.mp3").exception())
        No such file or directory
        """
        future: Future[T] = Future()
        with self._lock:
            task = self._processes.schedule(function, *args, **kwargs)
            self._running.add(future)
        future.add_done_callback(self._running.discard)
        if task:
            future.add_done_callback(partial(_cancel_with, task))
        # Each has a thread, so that none waits for the result of another.
        thread = threading.Thread(target=self._finish, args=(future, task), daemon=True)
        try:
            with interrupts_blocked():
                thread.start()
        except RuntimeError:  # the system has no more threads
            self._finish(future, task)
        return future

    def lookup_audio(self, path: PathLike) -> Analysis | None:
        """Return the cached analysis of the audio in a file, or None.

        Raises AudioError if its analysis failed before, or the file cannot be read.
        """
        return self._analyzer.lookup_audio(path)

    def close(self) -> None:
        """Stop the workers, even if they are analyzing files, and close the cache."""
        with self._lock:
            self._processes.close()
        wait([*self._running])
        self._submitted.put(None)
        if self._waiter.is_alive():
            self._waiter.join()
        self.cache.close()

    @contextmanager
    def _analyzer_for(self, method: AnalysisMethod | None) -> Iterator[FileAnalyzer]:
        """Analyze files in this process, by default as the pool does."""
        if method is None:
            yield self._analyzer
        else:
            with FileAnalyzer(self._config, method) as analyzer:
                yield analyzer

    def _start_waiter(self) -> bool:
        """Return False if the pool is closed, or the system has no thread to wait for workers."""
        if self._processes.closed:
            return False
        if not self._waiter.is_alive():
            with suppress(RuntimeError), interrupts_blocked():
                self._waiter.start()
        return self._waiter.is_alive()

    def _complete_submitted(self) -> None:
        """Complete the futures of submitted files in order, until the pool is closed."""
        for submitted in iter(self._submitted.get, None):
            self._complete(*submitted)

    def _complete(
        self,
        future: Future[Analysis],
        path: PathLike,
        method: AnalysisMethod | None,
        task: Task | None,
    ) -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(self._wait(path, method, task))
            except Exception as exc:
                future.set_exception(as_audio_error(exc))

    def _wait(self, path: PathLike, method: AnalysisMethod | None, task: Task | None) -> Analysis:
        """Return the analysis by a task, or by this process without one."""
        try:
            analysis, cache_error = self._processes.result(task)
        except NoWorkersError as exc:
            if self._processes.closed:
                raise AudioError(str(exc)) from None
            with self._analyzer_for(method) as analyzer:
                return analyzer.analyze(path)
        except TaskTimeout:
            error: AudioError = AnalysisTimeout(self._config.timeout)
        except ProcessExpired as exc:
            error = expiration_error(exc)
            if was_killed(exc):
                raise error from exc
        else:
            self._worker_cache_error = cache_error or self._worker_cache_error
            return analysis
        with self._analyzer_for(method) as analyzer:
            analyzer.cache.record_failure(path, error)
        raise error

    def _finish(self, future: Future[Any], task: Task | None) -> None:
        """Complete a future of `run`."""
        complete: Callable[[Any], None] = future.set_result
        try:
            outcome = self._run_result(task)
        except Exception as exc:
            complete, outcome = future.set_exception, as_audio_error(exc)
        if future.set_running_or_notify_cancel():
            complete(outcome)

    def _run_result(self, task: Task | None) -> Any:
        try:
            return self._processes.result(task)
        except NoWorkersError as exc:
            raise AudioError(str(exc)) from None
        except TaskTimeout as exc:
            raise AudioError(f"not finished within {self._config.timeout:g} s") from exc
        except ProcessExpired as exc:
            raise expiration_error(exc) from exc


def _result(path: P, future: Future[Analysis]) -> tuple[P, Analysis | AudioError]:
    try:
        return path, future.result()
    except AudioError as exc:
        return path, exc


def _cancel_with(task: Task, future: Future[Any]) -> None:
    if future.cancelled():
        task.future.cancel()  # type: ignore[no-untyped-call]
