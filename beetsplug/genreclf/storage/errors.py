"""Errors of the SQLite files next to the library, with what the user can do."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

_NO_CHANGES = "no changes made"
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_DAMAGED = ("not a database", "malformed", "no such column", "has no column", "no such table")
_UNWRITABLE = ("readonly", "unable to open", "permission", "read-only")
_MIN_FREE = 1 << 16  # bytes that SQLite needs to start


class JournalError(Exception):
    """The journal cannot be read or written; the message says what the user can do."""


def describe(path: Path, error: Exception) -> str:
    """Return the file, the problem and what the user can do, in one line.

    error: of SQLite or the system.
    """
    text = str(error).lower()
    number = error.errno if isinstance(error, OSError) else None
    if number in _FULL or "is full" in text:
        return _full(path)
    if "locked" in text or "busy" in text:
        return f"{path}: {error}; another program uses it: close it and run the command again"
    if any(sign in text for sign in _DAMAGED):
        return (
            f"{path}: {error}; {_NO_CHANGES}: if the file is damaged, move it away (the "
            "changes it records can then no longer be undone)"
        )
    # SQLite reports "disk I/O error" or "unable to open" if it needs a file next to this one.
    if _is_full(path.parent):
        return _full(path)
    if any(sign in text for sign in _UNWRITABLE) or number in (errno.EACCES, errno.EROFS):
        return f"{path}: {error}; {_NO_CHANGES}: make the file and its folder writable"
    return f"{path}: {error}; {_NO_CHANGES}: check its disk"


def _full(path: Path) -> str:
    return (
        f"{path}: the disk of {path.parent} is full; {_NO_CHANGES}: free some space and run the "
        "command again"
    )


def _is_full(folder: Path) -> bool:
    try:
        if hasattr(os, "statvfs"):
            state = os.statvfs(folder)
            if state.f_files and not state.f_favail:  # no file can be created
                return True
        return shutil.disk_usage(folder).free < _MIN_FREE
    except OSError:
        return False
