"""Run functions in worker processes, which may crash or hang without harm.

Native decoders meet files that their authors did not foresee. Pebble runs each call as a task of
its own: one that kills its worker, or takes too long, fails alone.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, NamedTuple

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from genremodel.batch import worker
from genremodel.batch.spawning import (
    WorkerContext,
    interrupts_blocked,
    prepare,
    require_spare_files,
)
from genremodel.batch.worker import WorkerConfig
from genremodel.errors import AudioError

# Signals that end a worker from outside.
_KILLED = {-getattr(signal, name, 0) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")}
_POLL_SECONDS = 0.2


class NoWorkersError(Exception):
    """No worker can be started, or the processes are closed. The message gives the reason."""


class _Call(NamedTuple):
    """A function that workers import, and its arguments."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    timeout: float


class Task(NamedTuple):
    """A call that was given to workers."""

    call: _Call
    processes: ProcessPool
    future: ProcessFuture[Any]


def cpu_count() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Processes:
    """Worker processes, which are started when first needed, and again when they died.

    workers: the number of processes, by default one per CPU.

    Attributes
    ----------
    start_error : str, optional
        Why no worker can be started.
    closed : bool
    """

    def __init__(self, config: WorkerConfig, workers: int | None = None) -> None:
        self._config = config
        self._workers = workers or cpu_count()
        self._lock = threading.RLock()
        self._pool: ProcessPool | None = None
        self._unfinished: set[ProcessFuture[Any]] = set()
        self._has_worked = False  # whether a worker has started with a call
        self.start_error: str | None = None
        self.closed = False

    def schedule(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task | None:
        """Give a call to the workers. Return None if none can be started."""
        return self.schedule_within(self._config.timeout, function, *args, **kwargs)

    def schedule_within(
        self, timeout: float, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Task | None:
        """Give a call to the workers that has its own time limit, in seconds, see `schedule`."""
        return self._schedule(_Call(function, args, kwargs, timeout))

    def result(self, task: Task | None) -> Any:
        """Wait for a task, and for another if all workers died before they started with it.

        Raises
        ------
        NoWorkersError
            If no worker can be started.
        ProcessExpired
            If its worker crashed or was killed.
        concurrent.futures.TimeoutError
            After the time limit.
        AudioError
            If the workers die twice although workers have started before: this call may be the
            cause.
        Exception
            That of the function.
        """
        if task is None:
            raise NoWorkersError(self._no_workers())
        try:
            return self._wait_alive(task)
        except BrokenProcessPool:
            with self._lock:
                if self._pool is task.processes:
                    self._stop()
        again = self._schedule(task.call)
        if again is None:
            raise NoWorkersError(self._no_workers())
        try:
            return self._wait_alive(again)
        except BrokenProcessPool as exc:
            with self._lock:
                if self._has_worked:
                    raise AudioError("the worker processes ended unexpectedly") from exc
                self._give_up("they exit before they start")
        raise NoWorkersError(self._no_workers())

    def close(self) -> None:
        """Stop the workers, even if they are working. Their tasks fail."""
        with self._lock:
            self.closed = True
            self._stop(at_once=bool(self._unfinished))

    def _schedule(self, call: _Call) -> Task | None:
        with self._lock:
            if self.start_error or self.closed:
                return None
            try:
                with suppress(RuntimeError):  # the workers died while they were idle
                    return self._hand_over(call)
                self._stop()
                return self._hand_over(call)
            except Exception as exc:  # of the system, multiprocessing or pebble
                self._give_up(_reason(exc))
                return None

    def _hand_over(self, call: _Call) -> Task:
        new = self._pool is None
        if self._pool is None:
            prepare()
            context = WorkerContext()
            self._pool = ProcessPool(
                max_workers=self._workers,
                initializer=worker.init_worker,
                initargs=[self._config, context.semaphores],
                context=context,
            )
        with interrupts_blocked():
            future = self._pool.schedule(call.function, call.args, call.kwargs, call.timeout)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        if new:
            require_spare_files()
        return Task(call, self._pool, future)

    def _stop(self, *, at_once: bool = True) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        with suppress(Exception):  # the reason why it did not start may keep it from stopping
            if at_once:
                pool.stop()  # type: ignore[no-untyped-call]
            else:
                pool.close()  # type: ignore[no-untyped-call]
            pool.join()

    def _give_up(self, reason: str) -> None:
        """Start no workers from now on."""
        self.start_error = reason
        self._stop()

    def _no_workers(self) -> str:
        if self.closed:
            return "the pool is closed"
        return f"worker processes could not be started ({self.start_error})"

    def _wait_alive(self, task: Task) -> Any:
        """Wait for a task. Raises BrokenProcessPool if its pool has ended without it."""
        while not task.future.done():
            if not task.processes.active:
                raise BrokenProcessPool
            wait([task.future], timeout=_POLL_SECONDS)
        self._has_worked |= not isinstance(task.future.exception(), BrokenProcessPool)
        return task.future.result()


def expiration_error(expired: ProcessExpired) -> AudioError:
    """Return the error of a call whose worker ended."""
    if was_killed(expired):
        return AudioError("the worker process was killed")
    return AudioError(f"the decoder crashed ({_describe_exit(expired.exitcode)})")


def was_killed(expired: ProcessExpired) -> bool:
    """Return True if a worker was ended from outside: its file may be tried again."""
    return expired.exitcode in _KILLED


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
