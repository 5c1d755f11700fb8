"""Analyze many files in parallel, by worker processes that may crash or hang without harm."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as TaskTimeout
from contextlib import suppress
from functools import partial
from itertools import repeat
from queue import SimpleQueue
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar

from pebble import ProcessExpired

from genremodel.analysis import Analysis
from genremodel.audio.decoding import PathLike
from genremodel.batch.local_workers import LocalWorkers
from genremodel.batch.processes import NoWorkersError, Processes, Task, expiration_error
from genremodel.batch.spawning import interrupts_blocked
from genremodel.batch.worker import AnalysisMethod, FileAnalyzer, WorkerConfig
from genremodel.errors import AudioError, ClusterError, as_audio_error

# A file, and a function that waits for its analysis.
_Submitted: TypeAlias = "tuple[Future[Analysis], Callable[[], Analysis]]"
P = TypeVar("P", bound=PathLike)
T = TypeVar("T")
Arguments = ParamSpec("Arguments")


class Workers(Protocol):
    """Analyze files outside of this process: on this machine, or in a cluster."""

    @property
    def lookahead(self) -> int:
        """How many files are analyzed ahead of the one that is waited for."""
        ...

    @property
    def problems(self) -> list[str]:
        """Warnings for the user about how files were analyzed."""
        ...

    def failure_of_all(self, path: PathLike) -> ClusterError | None:
        """Return why no file can be read, if that is why this one cannot."""
        ...

    def schedule(self, path: PathLike, method: AnalysisMethod | None) -> Callable[[], Analysis]:
        """Start to analyze a file that the cache does not have.

        Return a function that waits until the analysis is stored. Both raise AudioError if there is
        none, and ClusterError if no file can be analyzed any longer.
        """
        ...

    def close(self) -> None:
        """Stop the workers, even if they are analyzing files. Their files fail."""
        ...


class Pool:
    """A pool of workers that analyze files. They are started when first needed.

    Made by `GenreClassifier.pool`. A context manager: it closes the pool.
    method: that of the configuration. workers: the number of processes on this machine, by default
    one per CPU. cluster: returns workers to use instead of them; functions run on this machine.

    Attributes
    ----------
    cache : Cache
        The cache of analyses in this process.
    """

    def __init__(
        self,
        config: WorkerConfig,
        method: AnalysisMethod,
        workers: int | None = None,
        cluster: Callable[[WorkerConfig, FileAnalyzer], Workers] | None = None,
    ) -> None:
        self._config = config
        self._analyzer = FileAnalyzer(config, method)
        self.cache = self._analyzer.cache
        self._lock = threading.RLock()  # the stages of an import are threads
        self._closed = False
        self._processes = Processes(config, workers)
        self._workers: Workers = (
            cluster(config, self._analyzer)
            if cluster
            else LocalWorkers(config, self._analyzer, self._processes)
        )
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
        return self._workers.problems

    @property
    def lookahead(self) -> int:
        """How many files are analyzed ahead of the one that is waited for."""
        return self._workers.lookahead

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
            Raises AudioError if the file cannot be analyzed, and ClusterError if no other file can
            be analyzed either. There are no other exceptions.
        """
        future: Future[Analysis] = Future()
        try:
            with self._analyzer.using(method) as analyzer:
                known = analyzer.lookup(path)
        except Exception as exc:
            future.set_exception(self._workers.failure_of_all(path) or as_audio_error(exc))
            return future
        if known is not None:
            future.set_result(known)
            return future
        with self._lock:
            try:
                result = self._workers.schedule(path, method)
            except (AudioError, ClusterError) as exc:
                future.set_exception(exc)
                return future
            if self._start_waiter():
                self._submitted.put((future, result))
                return future
        self._complete(future, result)
        return future

    def map(
        self,
        paths: Iterable[P],
        methods: Iterable[AnalysisMethod | None] = repeat(None),
        *,
        lookahead: int | None = None,
    ) -> Generator[tuple[P, Analysis | AudioError]]:
        """Analyze files and yield the results in order.

        Parameters
        ----------
        paths : iterable of paths
            The files. It is read as results are taken.
        methods : iterable of AnalysisMethod, optional
            How to analyze each, see `submit`.
        lookahead : int
            The number of files that are analyzed ahead of the one that is yielded. By default, it
            grows with the number of workers.

        Yields
        ------
        path, Analysis or AudioError

        Raises
        ------
        ClusterError
            If no file can be analyzed any longer.
        """
        pending: deque[tuple[P, Future[Analysis]]] = deque()
        try:
            for path, method in zip(paths, methods, strict=False):
                pending.append((path, self.submit(path, method)))
                if len(pending) > (self.lookahead if lookahead is None else lookahead):
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
            self._closed = True
            self._processes.close()
            self._workers.close()
        wait([*self._running])
        self._submitted.put(None)
        if self._waiter.is_alive():
            self._waiter.join()
        self.cache.close()

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

    def _complete(self, future: Future[Analysis], result: Callable[[], Analysis]) -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(result())
            except ClusterError as exc:
                future.set_exception(exc)
            except Exception as exc:
                future.set_exception(as_audio_error(exc))

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
