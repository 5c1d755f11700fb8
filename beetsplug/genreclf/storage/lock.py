"""The lock that commands, and the threads of an import, hold while they change a library.

It is SQLite's lock on an empty file: it works on Windows and on network shares, and the system
releases it when a process dies. A second lock makes it fair, because a long run that locks once
per track would starve other commands.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

_HOLDER_SIZE = 300  # bytes of the file that identifies the holder
_REPORT_AFTER = 3.0  # seconds of waiting
_POLL_INTERVAL = 1.0  # seconds


@contextmanager
def locked(
    path: Path, report: Callable[[str], None], timeout: float = float("inf")
) -> Iterator[None]:
    """Hold the lock of a journal. Not reentrant.

    path: the journal. report: takes a message after three seconds of waiting, unless another thread
    of this process holds the lock. timeout: seconds after which waiting fails. Raises sqlite3.Error
    or OSError.
    """
    holder = _Holder(path.with_suffix(".pid"))
    notice = _WaitNotice(holder, report)
    deadline = time.monotonic() + timeout
    with closing(_acquire(path.with_suffix(".queue"), notice, deadline)):
        lock = _acquire(path.with_suffix(".lock"), notice, deadline)
    with closing(lock), holder:
        yield


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock of a journal if it is free, without waiting; yield whether it is held.

    Not reentrant. Raises sqlite3.Error or OSError.
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
    """A file with the process that holds the lock; blank while the lock is free."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._write(f"{os.getpid()} {socket.gethostname()}")

    def __exit__(self, *_: object) -> None:
        self._write("")

    def read(self) -> tuple[int, str] | None:
        """Return the process and the host that hold the lock, or None if unknown."""
        try:
            process, host = self._path.read_text(encoding="utf-8").split()
            found = int(process), host
        except (OSError, ValueError):
            return None
        killed = host == socket.gethostname() and not _is_running(found[0])
        return None if killed else found

    def _write(self, text: str) -> None:
        # In place, with a fixed size: truncating makes some file systems write the file at once,
        # which takes milliseconds. If writing fails, the file is removed: no process is better
        # than a wrong one.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            file = os.open(self._path, flags, 0o666)
            try:
                os.write(file, text.encode().ljust(_HOLDER_SIZE)[:_HOLDER_SIZE])
            finally:
                os.close(file)
        except OSError:
            with suppress(OSError):
                self._path.unlink()


class _WaitNotice:
    """Reports once that this command is waiting, and for which process."""

    def __init__(self, holder: _Holder, report: Callable[[str], None]) -> None:
        self._holder = holder
        self._report = report
        self._began = time.monotonic()
        self._reported = False

    def __call__(self) -> None:
        """Report if the wait has been long enough."""
        if self._reported or time.monotonic() - self._began < _REPORT_AFTER:
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


def _acquire(path: Path, notice: Callable[[], None], deadline: float) -> sqlite3.Connection:
    """Acquire SQLite's lock on a file; poll, so that Ctrl-C works.

    deadline: by `time.monotonic`; sqlite3.OperationalError is raised after it.
    """
    while True:
        wait = max(0.0, min(_POLL_INTERVAL, deadline - time.monotonic()))
        lock = sqlite3.connect(path, timeout=wait, isolation_level=None)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except BaseException as exc:
            lock.close()
            if not isinstance(exc, sqlite3.Error) or "locked" not in str(exc):
                raise
            if time.monotonic() >= deadline:
                raise
            notice()
        else:
            return lock


def _is_running(process: int) -> bool:
    if os.name != "posix":
        return True  # on Windows, signal 0 would end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
