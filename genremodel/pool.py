"""Many files at once, each analysed in a process that may crash or hang without harm.

Native decoders meet files that nobody foresaw. Pebble runs every file as a task of its own: one
that kills its worker, or takes too long, fails alone.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as LateError
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext
from multiprocessing.synchronize import RLock
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from genremodel.analyser import Analyser
from genremodel.analysis import Analysis
from genremodel.audio import AudioError, PathLike, TimeLimitError
from genremodel.backends import Backend, Cnn, Knn
from genremodel.cache import Cache

# Waits for an analysis and returns it; raises AudioError where there is none.
Pending: TypeAlias = Callable[[], Analysis]


class Task(NamedTuple):
    """An analysis that is being made, and by whom."""

    processes: ProcessPool
    future: ProcessFuture[tuple[Analysis, str | None]]


@dataclass(frozen=True)
class Setup:
    """How files are analysed, in every process alike.

    cache: its file, or None for none. timeout: seconds a file may take. retry: those too that are
    known to have failed.
    """

    knn: bool
    windows: int
    cache: Path | None
    timeout: float
    retry: bool

    def analyser(self, backend: Backend) -> Analyser:
        """Return an analyser for this process."""
        cache = Cache(self.cache, backend.version, self.windows) if self.cache else None
        return Analyser(backend, self.windows, cache, timeout=self.timeout, retry=self.retry)


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool:
    """Analyses files side by side. Worker processes are started when the first is needed.

    analyser: of this process, which knows the cache. workers: by default one for each processor.
    """

    def __init__(self, setup: Setup, analyser: Analyser, workers: int | None) -> None:
        self._setup = setup
        self._analyser = analyser
        self._workers = workers or processors()
        self._waited_for = 0
        self._lock = threading.Lock()  # the stages of an import are threads
        self._processes = self._started()

    @property
    def problem(self) -> str | None:
        """Why the cache is not used, if it is not."""
        return self._analyser.problem

    def submit(self, path: PathLike) -> Pending:
        """Begin with a file, and return what waits for its analysis."""
        try:
            known = self._analyser.recall(path)
        except AudioError as exc:
            return partial(_fail, exc)
        if known is not None:
            return lambda: known
        task = self._schedule(path)
        self._waited_for += 1
        return partial(self._wait, path, task)

    def recall_audio(self, path: PathLike) -> Analysis | None:
        """Return the cached analysis of the audio in a file, see `Analyser.recall_audio`."""
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
        if self._waited_for:
            self._processes.stop()  # type: ignore[no-untyped-call]
        else:
            self._processes.close()  # type: ignore[no-untyped-call]
        self._processes.join()
        self._analyser.close()

    def _started(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._workers,
            initializer=_start,
            initargs=[self._setup],
            context=_Spawn(),
        )

    def _restart(self) -> None:
        self._processes.stop()  # type: ignore[no-untyped-call]
        self._processes = self._started()

    def _schedule(self, path: PathLike) -> Task:
        with self._lock, _interrupts_blocked():
            limit = self._setup.timeout
            try:
                future = self._processes.schedule(_analyse, args=[path], timeout=limit)
            except RuntimeError:  # its workers have died while they had nothing to do
                self._restart()
                future = self._processes.schedule(_analyse, args=[path], timeout=limit)
            return Task(self._processes, future)

    def _wait(self, path: PathLike, task: Task) -> Analysis:
        error: AudioError
        try:
            analysis, problem = self._result(path, task)
        except LateError:
            error = TimeLimitError(self._setup.timeout)
        except ProcessExpired as exc:
            if exc.exitcode in _KILLED:
                raise AudioError("the process that analysed it was killed") from exc
            error = AudioError(f"the decoder crashed ({_death(exc.exitcode)})")
        except BrokenProcessPool as exc:
            raise AudioError("the processes that analyse files do not start") from exc
        else:
            self._analyser.problem = self._analyser.problem or problem
            return analysis
        finally:
            self._waited_for -= task.future.done()
        self._analyser.give_up(path, error)
        raise error

    def _result(self, path: PathLike, task: Task) -> tuple[Analysis, str | None]:
        """Wait for a task, and again where all workers died before they began with it."""
        try:
            return _patiently(task)
        except BrokenProcessPool:
            with self._lock:
                if self._processes is task.processes:
                    self._restart()
            return _patiently(self._schedule(path))


class _Spawn(SpawnContext):
    """Keeps its locks as long as it lives.

    Pebble drops them before it ends its workers; one that has only begun would not find them, and
    say so in the middle of what is printed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._locks: list[RLock] = []

    def RLock(self) -> RLock:  # its name there
        self._locks.append(super().RLock())
        return self._locks[-1]


def _patiently(task: Task) -> tuple[Analysis, str | None]:
    """Wait for a task, but not for one that a broken pool has lost."""
    while not wait([task.future], timeout=1).done:
        if not task.processes.active:
            raise BrokenProcessPool
    return task.future.result()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Let a pool start threads, and these workers, that Ctrl-C does not reach: it is for us.

    Threads and processes take over the signals that are blocked where they are started.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # or it is started on the way, and unblocks them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# Not by what they were doing: the file may be tried again.
_KILLED = {-getattr(signal, name, 0) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")}


def _death(exitcode: int) -> str:
    try:
        return signal.Signals(-exitcode).name
    except ValueError:
        return f"exit status {exitcode}"


def _fail(error: AudioError) -> Analysis:
    raise error


_analyser: Analyser  # of a worker


def _start(setup: Setup) -> None:
    global _analyser
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where they could not be blocked
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # at once, even while a decoder hangs
    # What libraries print as they crash would land in the middle of somebody's question.
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    # glibc keeps up to twice as much as was ever freed at once: what it gave back to the system
    # after each track, the system would clear again for the next, a thousand pages.
    np.empty(1 << 24, np.uint8)
    _analyser = setup.analyser(Knn() if setup.knn else Cnn())  # not in the time of the first file


def _analyse(path: PathLike) -> tuple[Analysis, str | None]:
    return _analyser.analyse(path), _analyser.problem
