"""Many files at once, each analysed in a process that may crash or hang without harm.

Native decoders meet files that nobody foresaw. Pebble runs every file as a task of its own: one
that kills its worker, or takes too long, fails alone. Where no worker can be started, files are
analyzed in this process.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as LateError
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from genremodel.analysis import Analysis
from genremodel.audio.decoding import AnalysisTimeout, AudioError, PathLike
from genremodel.batch.cache import Cache
from genremodel.batch.spawning import (
    WorkerContext,
    end_with_parent,
    interrupts_blocked,
    prepare,
    require_room,
)
from genremodel.batch.worker import FileAnalyzer
from genremodel.models.base import Backend
from genremodel.models.knn import KnnBackend
from genremodel.models.musicnn import CnnBackend

# Waits for an analysis and returns it; raises AudioError where there is none.
Pending: TypeAlias = Callable[[], Analysis]


class Task(NamedTuple):
    """An analysis that is being made, and by whom."""

    processes: ProcessPool
    future: ProcessFuture[tuple[Analysis, str | None]]


@dataclass(frozen=True)
class WorkerConfig:
    """How files are analysed, in every process alike.

    cache: its file, or None for none. timeout: seconds a file may take. retry: those too that are
    known to have failed.
    """

    knn: bool
    windows: int
    cache: Path | None
    timeout: float
    retry: bool

    def analyser(self, backend: Backend) -> FileAnalyzer:
        """Return an analyser for this process."""
        cache = Cache(self.cache, backend.version, self.windows) if self.cache else None
        return FileAnalyzer(backend, self.windows, cache, timeout=self.timeout, retry=self.retry)


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool:
    """Analyses files side by side. Worker processes are started when the first is needed.

    Where none can be started, each file is analyzed in this process when it is waited for.
    analyser: of this process, which knows the cache. workers: by default one for each processor.
    """

    def __init__(self, setup: WorkerConfig, analyser: FileAnalyzer, workers: int | None) -> None:
        self._setup = setup
        self._analyser = analyser
        self._workers = workers or processors()
        self._waited_for = 0
        self._lock = threading.RLock()  # the stages of an import are threads
        self._processes: ProcessPool | None = None
        self._began = False  # whether a worker has begun with a file
        self._obstacle: str | None = None  # why no worker can be started

    @property
    def problems(self) -> list[str]:
        """What the user should know about how files were analyzed, each for a warning."""
        problems = []
        if self._analyser.problem:
            problems.append(f"done without the cache: {self._analyser.problem}")
        if self._obstacle:
            problems.append(
                f"no worker process can be started ({self._obstacle}): files are analyzed in this "
                "process, without a time limit and without protection from crashes"
            )
        return problems

    def submit(self, path: PathLike) -> Pending:
        """Begin with a file, and return what waits for its analysis."""
        try:
            known = self._analyser.recall(path)
        except AudioError as exc:
            return partial(_fail, exc)
        if known is not None:
            return lambda: known
        task = self._schedule(path)
        if task is None:
            return partial(self._analyser.analyse, path)
        self._waited_for += 1
        return partial(self._wait, path, task)

    def recall_audio(self, path: PathLike) -> Analysis | None:
        """Return the cached analysis of the audio in a file, see `FileAnalyzer.recall_audio`."""
        return self._analyser.recall_audio(path)

    def digest_of(self, path: PathLike) -> bytes | None:
        """Return the digest of the audio in a file, if the cache knows it."""
        return self._analyser.digest_of(path)

    def places(self) -> dict[bytes, bytes]:
        """Return where files lie that have been analysed by the networks, by path."""
        return self._analyser.places()

    def same_audio(self, path: PathLike) -> AbstractContextManager[None]:
        """Know a file again that has other tags after what is done in this context."""
        return self._analyser.same_audio(path)

    def close(self) -> None:
        """Stop the workers, at once if something is still being analysed; let go of the cache."""
        with self._lock:
            self._stop(at_once=self._waited_for > 0)
        self._analyser.close()

    def _schedule(self, path: PathLike) -> Task | None:
        """Give a file to the workers. Return None where none can be started."""
        with self._lock:
            if self._obstacle:
                return None
            try:
                with suppress(RuntimeError):  # its workers have died while they had nothing to do
                    return self._hand_over(path)
                self._stop()
                return self._hand_over(path)
            except Exception as exc:  # of the system, multiprocessing or pebble
                self._give_up_workers(_reason(exc))
                return None

    def _hand_over(self, path: PathLike) -> Task:
        new = self._processes is None
        if self._processes is None:
            prepare()
            context = WorkerContext()
            self._processes = ProcessPool(
                max_workers=self._workers,
                initializer=_start,
                initargs=[self._setup, context.semaphores],
                context=context,
            )
        with interrupts_blocked():
            future = self._processes.schedule(_analyse, args=[path], timeout=self._setup.timeout)
        if new:
            require_room()
        return Task(self._processes, future)

    def _stop(self, *, at_once: bool = True) -> None:
        processes, self._processes = self._processes, None
        if processes is None:
            return
        with suppress(Exception):  # what keeps it from starting may keep it from stopping
            if at_once:
                processes.stop()  # type: ignore[no-untyped-call]
            else:
                processes.close()  # type: ignore[no-untyped-call]
            processes.join()

    def _give_up_workers(self, reason: str) -> None:
        """Analyze files in this process from now on."""
        self._obstacle = reason
        self._stop()

    def _wait(self, path: PathLike, task: Task) -> Analysis:
        error: AudioError
        try:
            result = self._result(path, task)
        except LateError:
            error = AnalysisTimeout(self._setup.timeout)
        except ProcessExpired as exc:
            if exc.exitcode in _KILLED:
                raise AudioError("the process that analysed it was killed") from exc
            error = AudioError(f"the decoder crashed ({_death(exc.exitcode)})")
        except BrokenProcessPool as exc:
            raise AudioError("the processes that analyse files do not start") from exc
        else:
            if result is None:
                return self._analyser.analyse(path)
            analysis, problem = result
            self._analyser.problem = self._analyser.problem or problem
            return analysis
        finally:
            self._waited_for -= task.future.done()
        self._analyser.give_up(path, error)
        raise error

    def _result(self, path: PathLike, task: Task) -> tuple[Analysis, str | None] | None:
        """Wait for a task, and again where all workers died before they began with it.

        Returns None where no worker can be started. Raises BrokenProcessPool where that happens
        twice although workers have begun before: this file may be what they die of.
        """
        try:
            return self._patiently(task)
        except BrokenProcessPool:
            with self._lock:
                if self._processes is task.processes:
                    self._stop()
        again = self._schedule(path)
        if again is None:
            return None
        try:
            return self._patiently(again)
        except BrokenProcessPool:
            with self._lock:
                if self._began:
                    raise
                self._give_up_workers("they end before they begin")
            return None

    def _patiently(self, task: Task) -> tuple[Analysis, str | None]:
        """Wait for a task, but not for one that a broken pool has lost."""
        while not wait([task.future], timeout=1).done:
            if not task.processes.active:
                raise BrokenProcessPool
        self._began |= not isinstance(task.future.exception(), BrokenProcessPool)
        return task.future.result()


def _reason(error: Exception) -> str:
    """Return why a pool cannot be started, in the words of the system where it has any."""
    cause = error.__cause__ or error  # pebble's own exceptions have no message
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


# Not by what they were doing: the file may be tried again.
_KILLED = {-getattr(signal, name, 0) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")}


def _death(exitcode: int) -> str:
    try:
        return signal.Signals(-exitcode).name
    except ValueError:
        return f"exit status {exitcode}"


def _fail(error: AudioError) -> Analysis:
    raise error


_analyser: FileAnalyzer  # of a worker


def _start(setup: WorkerConfig, semaphores: list[str]) -> None:
    global _analyser
    end_with_parent(semaphores)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where they could not be blocked
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # at once, even while a decoder hangs
    # What libraries print as they crash would land in the middle of somebody's question.
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    # glibc keeps up to twice as much as was ever freed at once: what it gave back to the system
    # after each track, the system would clear again for the next, a thousand pages.
    np.empty(1 << 24, np.uint8)
    _analyser = setup.analyser(
        KnnBackend() if setup.knn else CnnBackend()
    )  # not in the time of the first file


def _analyse(path: PathLike) -> tuple[Analysis, str | None]:
    return _analyser.analyse(path), _analyser.problem
