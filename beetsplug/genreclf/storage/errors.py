"""Why an SQLite file beside the library cannot be used, and what the user can do about it."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

_NEVER_WITHOUT = "nothing is changed without it"
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_DAMAGED = ("not a database", "malformed", "no such column", "has no column", "no such table")
_UNWRITABLE = ("readonly", "unable to open", "permission", "read-only")
_LEAST = 1 << 16  # bytes that SQLite needs to begin with anything


def explain(path: Path, error: Exception) -> str:
    """Return one line: the file, the problem, and what the user can do.

    error: of SQLite or the system.
    """
    text = str(error).lower()
    number = error.errno if isinstance(error, OSError) else None
    if number in _FULL or "is full" in text:
        return _full(path)
    if "locked" in text or "busy" in text:
        return f"{path}: {error}; another program uses it: close that and run the command again"
    if any(sign in text for sign in _DAMAGED):
        return (
            f"{path}: {error}; {_NEVER_WITHOUT}: move it away to go on with a new one; "
            "the changes in it can then no longer be undone"
        )
    # SQLite also says "disk I/O error" or "unable to open" where it needs a file beside this one.
    if _is_full(path.parent):
        return _full(path)
    if any(sign in text for sign in _UNWRITABLE) or number in (errno.EACCES, errno.EROFS):
        return f"{path}: {error}; {_NEVER_WITHOUT}: make the file and its folder writable"
    return f"{path}: {error}; {_NEVER_WITHOUT}: check its disk"


def _full(path: Path) -> str:
    return (
        f"{path}: the disk of {path.parent} is full; {_NEVER_WITHOUT}: make room and run the "
        "command again"
    )


def _is_full(folder: Path) -> bool:
    try:
        if hasattr(os, "statvfs"):
            state = os.statvfs(folder)
            if state.f_files and not state.f_favail:  # no file can be created
                return True
        return shutil.disk_usage(folder).free < _LEAST
    except OSError:
        return False
