"""Paths of files stored next to the library database."""

from __future__ import annotations

import os
from pathlib import Path

from beets.library import Library

MODELS_SUFFIX = ".genre-models"
# Other extensions are kept, because they may be all that distinguishes two libraries, such as
# `music.2019` and `music.2020`.
_SUFFIXES = (".db", ".blb", ".sqlite", ".sqlite3")


def library_file(library: str | bytes | os.PathLike[str], suffix: str) -> Path:
    """Return a file next to a library: `library.genre-journal.db` for `library.db`."""
    path = Path(os.fsdecode(library))  # bytes before beets 2.14
    name = path.stem if path.suffix.lower() in _SUFFIXES else path.name
    return path.with_name(name + suffix)


def models_folder(lib: Library) -> Path:
    """Return the folder of the custom models of a library."""
    return library_file(lib.path, MODELS_SUFFIX)
