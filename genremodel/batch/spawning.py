"""Start worker processes that do not import `__main__`; check that they can be started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import connection, process, resource_tracker, spawn, util
from multiprocessing.context import SpawnContext, SpawnProcess
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

if sys.platform == "win32":
    from multiprocessing import popen_spawn_win32 as popen_spawn

    _LAUNCH = "__init__"
else:
    from multiprocessing import popen_spawn_posix as popen_spawn

    _LAUNCH = "_launch"

if TYPE_CHECKING:
    from multiprocessing.synchronize import RLock

_INTERPRETER_TIMEOUT = 30  # seconds, for the test of the interpreter
_INTERPRETER_STATUS = 57  # exit status of an interpreter that works
# Read by the libraries that NumPy multiplies matrices with, when they are loaded. Their threads
# would compete with those of the other workers for the processors.
_SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}
# A worker that is still starting gets no input if the program ends: no reason for a traceback.
_QUIET = "sys.excepthook = lambda kind, *rest: kind is EOFError or sys.__excepthook__(kind, *rest)"
_SPARE_FILES = 16  # open files besides the pipes of workers: databases, music


class SpawnError(Exception):
    """No process can be started. The message gives the reason."""


def _preparation_data(*arguments: Any) -> dict[str, Any]:
    """Return the data that multiprocessing passes to a worker, without `__main__`.

    multiprocessing would run `__main__` again in each worker: a script that imports music would
    import it again, once per worker. Workers do not need it.
    """
    data = spawn.get_preparation_data(*arguments)
    return {key: value for key, value in data.items() if not key.startswith("init_main_from_")}


def _command_line(**arguments: Any) -> list[str]:
    """Return the command of a worker, which first sets its own environment and exception hook.

    Without double quotes, because Windows puts the program between them.
    """
    *interpreter, program, last = spawn.get_command_line(**arguments)
    setup = f"import os, sys; os.environ.update({_SINGLE_THREADED}); {_QUIET}"
    return [*interpreter, f"{setup}; {program}", last]


_OWN = {"get_preparation_data": _preparation_data, "get_command_line": _command_line}


def _with_own_preparation(launch: Any) -> FunctionType:
    """Return a copy of multiprocessing's launch function that calls the functions of `_OWN`.

    The copy has its own globals, so that other processes are not affected.
    """
    if not _OWN.keys() <= {*launch.__code__.co_names}:
        raise SpawnError("unsupported version of multiprocessing")
    own = SimpleNamespace(**{**vars(spawn), **_OWN})
    return FunctionType(
        launch.__code__, {**launch.__globals__, "spawn": own}, launch.__name__, launch.__defaults__
    )


class _Worker(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: process.BaseProcess) -> Any:  # the name that multiprocessing uses
        launch = _with_own_preparation(getattr(popen_spawn.Popen, _LAUNCH))
        popen = type("Popen", (popen_spawn.Popen,), {_LAUNCH: launch})
        return popen(process_obj)


class WorkerContext(SpawnContext):
    """Starts workers that do not run `__main__`, and keeps its locks alive.

    Pebble releases its locks before it ends its workers. A worker that is still starting would not
    find their semaphores, and print a traceback.
    semaphores: the names of the semaphores in the system, if any, for `end_with_parent`.
    """

    Process = _Worker

    def __init__(self) -> None:
        super().__init__()
        self.semaphores: list[str] = []
        self._locks: list[RLock] = []

    def RLock(self) -> RLock:
        """Return a lock that the workers share."""
        lock: Any = super().RLock()
        self._locks.append(lock)
        if lock._semlock.name:
            self.semaphores.append(lock._semlock.name)
        return lock


def prepare() -> None:
    """Check that processes can be started. Raises OSError or SpawnError.

    multiprocessing does not notice if the executable is missing or not a Python interpreter, such
    as a program that embeds Python: it would be started over and over.
    """
    if getattr(sys, "frozen", False):
        raise SpawnError("Python is part of another program")
    interpreter = spawn.get_executable()
    if not interpreter:
        raise SpawnError("there is no Python interpreter")
    _check_interpreter(interpreter)
    if os.name == "posix":
        # Start it now: when it is started later, multiprocessing unblocks SIGINT.
        resource_tracker.ensure_running()


@cache
def _check_interpreter(interpreter: str | bytes) -> None:
    """Run a program once; raise OSError or SpawnError if it is not a Python interpreter."""
    command = [interpreter, "-S", "-c", f"raise SystemExit({_INTERPRETER_STATUS})"]
    nowhere, status = subprocess.DEVNULL, None
    with suppress(subprocess.TimeoutExpired):
        status = subprocess.run(  # not `call`, which tests of beets replace in the whole process
            command,
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            timeout=_INTERPRETER_TIMEOUT,
            check=False,
        ).returncode
    if status != _INTERPRETER_STATUS:
        raise SpawnError(f"{os.fsdecode(interpreter)} does not work as a Python interpreter")


def require_spare_files() -> None:
    """Raise OSError unless this process can open more files besides those of workers."""
    opened: list[int] = []
    try:
        for _ in range(_SPARE_FILES):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def end_with_parent(semaphores: Iterable[str]) -> None:
    """End this worker when its parent ends, even if a decoder hangs. Returns immediately.

    semaphores: those of the context. A killed parent leaves them in the system, and Python would
    warn about them on the standard error.
    """
    from multiprocessing.synchronize import SemLock  # not available on every system

    parent = process.parent_process()
    assert parent is not None

    # Python would warn about a semaphore that is deleted, but not unregistered before this ends.
    lock = threading.Lock()

    def clean_up() -> None:
        if not parent.is_alive():
            for name in semaphores:
                with lock, suppress(OSError):  # another worker has deleted it
                    SemLock._cleanup(name)  # type: ignore[attr-defined]

    def wait() -> None:
        connection.wait([parent.sentinel])
        clean_up()
        os._exit(1)

    # An idle worker finds its pipe closed, and may exit before the thread runs.
    util.Finalize(None, clean_up, exitpriority=0)
    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block SIGINT while threads and workers start: they inherit the blocked signals.

    Only the main thread of this process then handles Ctrl-C.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
