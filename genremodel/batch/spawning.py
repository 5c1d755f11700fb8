"""Start worker processes: without the user's `__main__`, and only where that is possible."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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

_PATIENCE = 30  # s that the test of an interpreter may take
_STATUS = 57  # exit status of an interpreter that works
_ROOM = 16  # files that are open at once beside the pipes of workers: databases, music


class SpawnError(Exception):
    """No process can be started; the message says why."""


def _preparation_data(*arguments: Any) -> dict[str, Any]:
    """Return the data that a worker needs about this process, without its `__main__`.

    multiprocessing would run `__main__` again in each worker: a script that imports music would
    import it once more for every processor. Workers need nothing from there.
    """
    data = spawn.get_preparation_data(*arguments)
    return {key: value for key, value in data.items() if not key.startswith("init_main_from_")}


def _with_own_preparation(launch: Any) -> FunctionType:
    """Return the function that launches a process, as one that calls `_preparation_data`.

    It is a copy with other globals: processes that others launch are not affected.
    """
    if "get_preparation_data" not in launch.__code__.co_names:
        raise SpawnError("this Python starts processes in an unknown way")
    own = SimpleNamespace(**{**vars(spawn), "get_preparation_data": _preparation_data})
    return FunctionType(
        launch.__code__, {**launch.__globals__, "spawn": own}, launch.__name__, launch.__defaults__
    )


class _Worker(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: process.BaseProcess) -> Any:  # its name there
        launch = _with_own_preparation(getattr(popen_spawn.Popen, _LAUNCH))
        popen = type("Popen", (popen_spawn.Popen,), {_LAUNCH: launch})
        return popen(process_obj)


class WorkerContext(SpawnContext):
    """Starts workers that do not run `__main__`, and keeps its locks as long as it lives.

    Pebble drops them before it ends its workers; one that has only begun would not find them, and
    say so in the middle of what is printed.
    semaphores: their names in the system, if they have any, for `end_with_parent`.
    """

    Process = _Worker

    def __init__(self) -> None:
        super().__init__()
        self.semaphores: list[str] = []
        self._locks: list[RLock] = []

    def RLock(self) -> RLock:
        """Return a lock that workers share."""
        lock: Any = super().RLock()
        self._locks.append(lock)
        if lock._semlock.name:
            self.semaphores.append(lock._semlock.name)
        return lock


def prepare() -> None:
    """Make sure that processes can be started. Raises OSError or SpawnError where they cannot.

    multiprocessing itself does not notice a program that is missing, or is no Python interpreter,
    such as one that embeds Python: it would start it over and over.
    """
    if getattr(sys, "frozen", False):
        raise SpawnError("Python is part of another program")
    interpreter = spawn.get_executable()
    if not interpreter:
        raise SpawnError("there is no Python interpreter")
    command = [interpreter, "-S", "-c", f"raise SystemExit({_STATUS})"]
    nowhere = subprocess.DEVNULL
    try:
        done = subprocess.run(
            command, stdin=nowhere, stdout=nowhere, stderr=nowhere, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        status = None
    else:
        status = done.returncode
    if status != _STATUS:
        raise SpawnError(f"{os.fsdecode(interpreter)} does not work as a Python interpreter")
    if os.name == "posix":
        # Or it is started on the way, and lets interrupts through again.
        resource_tracker.ensure_running()


def require_room() -> None:
    """Raise OSError unless this process may open some more files beside those of workers."""
    opened: list[int] = []
    try:
        for _ in range(_ROOM):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def end_with_parent(semaphores: Iterable[str]) -> None:
    """End this worker when its parent ends, even while a decoder hangs. Returns at once.

    semaphores: those of the context, which a parent that was killed has left in the system. Python
    would complain of them on the standard error.
    """
    from multiprocessing.synchronize import SemLock  # which not every system has

    parent = process.parent_process()
    assert parent is not None

    def clean_up() -> None:
        if not parent.is_alive():
            for name in semaphores:
                with suppress(OSError):  # another worker was quicker
                    SemLock._cleanup(name)  # type: ignore[attr-defined]

    def wait() -> None:
        connection.wait([parent.sentinel])
        clean_up()
        os._exit(1)

    # A worker that waits for its next file finds its pipe closed, and may end before the thread.
    util.Finalize(None, clean_up, exitpriority=0)
    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block SIGINT, so that threads and processes started meanwhile do not receive it.

    They inherit the blocked signals; this process alone handles Ctrl-C.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
