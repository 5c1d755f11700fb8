"""The lock by which commands, and the threads of an import, take turns in changing a library.

It is SQLite's lock on an empty file, which also works on Windows and on network shares and which
the system releases when a process is killed. A second lock makes the queue fair: a command that
takes one track after another would leave others no gap.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

_LENGTH = 300  # bytes of the file that identifies the holder
_PATIENCE = 3.0  # seconds of waiting before that is reported


@contextmanager
def locked(path: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a journal. Not to be nested.

    path: the journal. waiting: takes one message after three seconds, unless this process itself
    holds the lock. Raises sqlite3.Error or OSError.
    """
    holder = _Holder(path.with_suffix(".pid"))
    notice = _Notice(holder, waiting)
    with closing(_acquire(path.with_suffix(".queue"), notice)):
        lock = _acquire(path.with_suffix(".lock"), notice)
    with closing(lock), holder:
        yield


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock of a journal unless another command does; yield whether it is held.

    It never waits. Not to be nested. Raises sqlite3.Error or OSError.
    """
    with ExitStack() as stack:
        free = True
        for suffix in (".queue", ".lock"):
            lock = sqlite3.connect(path.with_suffix(suffix), timeout=0, isolation_level=None)
            stack.enter_context(closing(lock))
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as exc:
                if "locked" not in str(exc):
                    raise
                free = False
                break
        yield free


class _Holder:
    """A file by which other processes know who holds the lock; blank while the lock is free."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._write(f"{os.getpid()} {socket.gethostname()}")

    def __exit__(self, *_: object) -> None:
        self._write("")

    def read(self) -> tuple[int, str] | None:
        """Return the process and the host that hold the lock, or None where they are not known."""
        try:
            process, host = self._path.read_text(encoding="utf-8").split()
            found = int(process), host
        except (OSError, ValueError):
            return None
        killed = host == socket.gethostname() and not _is_running(found[0])
        return None if killed else found

    def _write(self, text: str) -> None:
        # In place and always as long: to truncate a file makes some file systems write it at once,
        # which takes milliseconds. Where that fails, the file is removed: no process is better
        # than a wrong one.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            file = os.open(self._path, flags, 0o666)
            try:
                os.write(file, text.encode().ljust(_LENGTH)[:_LENGTH])
            finally:
                os.close(file)
        except OSError:
            with suppress(OSError):
                self._path.unlink()


class _Notice:
    """Reports once that a command waits, and for which process."""

    def __init__(self, holder: _Holder, report: Callable[[str], None]) -> None:
        self._holder = holder
        self._report = report
        self._began = time.monotonic()
        self._reported = False

    def __call__(self) -> None:
        """Report it if the wait has been long enough."""
        if self._reported or time.monotonic() - self._began < _PATIENCE:
            return
        found = self._holder.read()
        if found and found == (os.getpid(), socket.gethostname()):
            return  # another thread of the same import
        self._reported = True
        name = ""
        if found:
            process, host = found
            away = "" if host == socket.gethostname() else f" on {host}"
            name = f" (process {process}{away})"
        self._report(f"waiting for another command that is changing the library{name}")


def _acquire(path: Path, notice: Callable[[], None]) -> sqlite3.Connection:
    """Wait for SQLite's lock on a file, a second at a time, so that Ctrl-C can interrupt it."""
    while True:
        lock = sqlite3.connect(path, timeout=1, isolation_level=None)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except BaseException as exc:
            lock.close()
            if not isinstance(exc, sqlite3.Error) or "locked" not in str(exc):
                raise
            notice()
        else:
            return lock


def _is_running(process: int) -> bool:
    if os.name != "posix":
        return True  # there, signal 0 would end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
