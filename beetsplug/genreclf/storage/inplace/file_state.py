"""Identify files, to notice that another program has changed or replaced one."""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Nanoseconds in which two changes may get the same time from a file system.
_TICK = 20_000_000
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


class NotWritten(OSError):
    """Raised if a file is left unchanged; the message says why, without the name of the file."""


class FileChanged(Exception):
    """Raised if another program has changed or replaced a file since it was read."""


class FileState(NamedTuple):
    """The identity and times of a file, in nanoseconds. changed: its content or metadata."""

    device: int
    inode: int
    size: int
    written: int
    changed: int

    @classmethod
    def of(cls, file: Path | int) -> FileState:
        """Return the state of an open file or a path; links are not followed. Raises OSError."""
        found = os.fstat(file) if isinstance(file, int) else file.lstat()
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def unsettled(self) -> float:
        """Return the seconds until any later change will be visible in the state."""
        since = time.time_ns() - self.written
        return (_TICK - since) / 1e9 if 0 <= since < _TICK else 0.0


def check_unchanged(file: Path | int, seen: FileState) -> None:
    """Raise FileChanged unless a file has the state that was seen. Raises OSError."""
    try:
        same = FileState.of(file) == seen
    except FileNotFoundError:
        same = False
    if not same:
        raise FileChanged


def open_regular(path: str | bytes | os.PathLike[str]) -> io.FileIO:
    """Open a file for reading and writing, unbuffered; links and pipes are refused.

    Raises OSError.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0))

    file = open(path, "rb+", buffering=0, opener=opener)  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a file")
    return file


def sync(file: int) -> None:
    """Flush the content and the size of a file to the disk. Raises OSError."""
    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(file)


def sync_folder(folder: Path) -> None:
    """Flush a folder to the disk, if the system and the file system can."""
    if os.name != "posix":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
