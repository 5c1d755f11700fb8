"""Where what belongs to a library lies: beside it."""

from __future__ import annotations

import os
from pathlib import Path

# How databases are called. Whatever else follows a dot may be all that tells two libraries apart,
# as in `music.2019` and `music.2020`.
_SUFFIXES = (".db", ".blb", ".sqlite", ".sqlite3")


def library_file(library: str | bytes | os.PathLike[str], suffix: str) -> Path:
    """Return what belongs to a library: `library.db` has `library.genre-journal.db`."""
    path = Path(os.fsdecode(library))  # bytes before beets 2.14
    name = path.stem if path.suffix.lower() in _SUFFIXES else path.name
    return path.with_name(name + suffix)
