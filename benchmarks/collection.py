"""Measure what a track of a large collection costs.

Times are processor time of all processes of a command, which other work on the machine disturbs
least. They are those of a run over many tracks, less those of a run over a few, so that starting
`beet` and its worker does not count. Bytes read are those that the operating system counts for a
process, on Linux only. `beet genreclf-similar` runs on a library of synthetic embeddings, which
takes 1 GB of disk.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.library import Library, stream_copies
from benchmarks.one_track import SECONDS
from benchmarks.timing import Figures
from genremodel.analysis import EMBEDDING_SIZE
from genremodel.audio.digest import audio_digest
from genremodel.audio.windows import read_windows
from genremodel.models.base import analysis_version
from genremodel.models.musicnn import CnnBackend
from tests.sounds import melody, write

Result = TypeVar("Result")

_FEW, _MANY = 20, 320  # tracks of a run
_ITEMS = (10_000, 100_000)  # of libraries that are classified
_SIMILAR = 1_000_000
_FORMATS = ("mp3", "flac", "opus", "wav")
_BATCH = 10_000  # rows of the synthetic library


def collection(root: Path) -> Figures:
    """Return the costs of a track, and those of commands in large libraries."""
    sound = melody(SECONDS)
    files = [write(root / f"a.{kind}", sound) for kind in _FORMATS]
    return {
        "file_bytes": files[0].stat().st_size,
        "read": [*map(_bytes_read, files)],
        **_costs(root, files[0]),
        "unchanged": _unchanged(root),
        "similar": _similar(root),
    }


def _bytes_read(path: Path) -> Figures:
    """Return the bytes that are read to classify a file, and its size."""

    def read(function: Callable[[Path], object]) -> int:
        before = _total_read()
        function(path)
        return _total_read() - before

    return {
        "format": path.suffix.removeprefix("."),
        "size": path.stat().st_size,
        "digest": read(audio_digest),
        "windows": read(read_windows),
    }


def _total_read() -> int:
    """Return the bytes that this process has read."""
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/io").read_text().split()[1])


def _costs(root: Path, original: Path) -> Figures:
    """Return the costs of analyzing a track, of storing its genre, and of a later run."""
    library = Library(root / "small", root / "music")
    stream_copies(original, library.music, 1 + _FEW + _MANY)
    library.configure()
    library.beet("import", "--quiet", "--noautotag", "--singletons", str(library.music))
    library.beet("genreclf", "id:1")  # creates files, and compiles modules
    before = _sizes(library)
    costs: Figures = {
        "analyze_ms": _per_track(library, "--pretend"),
        "store_ms": _per_track(library),
        "again_ms": _per_track(library, "--force"),
    }
    grown = {name: size - before[name] for name, size in _sizes(library).items()}
    return costs | {"bytes": {name: round(size / (_FEW + _MANY)) for name, size in grown.items()}}


def _per_track(library: Library, *options: str) -> float:
    """Return the milliseconds that `beet genreclf` takes for each further track."""
    few, many = (
        _used(library.beet, "genreclf", *options, query)[0]
        for query in (f"id:2..{1 + _FEW}", f"id:{2 + _FEW}..")
    )
    return round(1000 * (many - few) / (_MANY - _FEW), 1)


def _sizes(library: Library) -> dict[str, int]:
    """Return the sizes of what grows with each track."""
    for database in library.root.glob("*.db"):
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def size(pattern: str, folder: Path = library.root) -> int:
        return sum(file.stat().st_size for file in folder.glob(pattern))

    return {
        "cache": size("genreclf-cache.db"),
        "journal": size("library.genre-journal*"),
        "database": size("library.db"),
        "tags": size("*", library.music),
    }


def _unchanged(root: Path) -> Figures:
    """Return what `beet genreclf` costs for each track if it has nothing to do."""
    used = []
    for tracks in _ITEMS:
        library = Library(root / f"classified-{tracks}", root / "music")
        library.configure()
        library.fill(tracks)
        seconds, (_, memory) = _used(library.watched, "genreclf")
        used.append((seconds, max(memory)))
    seconds, mb = ((b - a) / (_ITEMS[1] - _ITEMS[0]) for a, b in zip(*used, strict=True))
    return {"ms": round(1000 * seconds, 2), "kb": round(1000 * mb, 1)}


def _similar(root: Path) -> Figures:
    """Return time and memory of `beet genreclf-similar` in a large library."""
    library = Library(root / "large", root / "music")
    library.configure()
    seed = next(library.music.iterdir())
    library.beet("import", "--quiet", "--noautotag", "--singletons", str(seed))
    library.beet("genreclf")
    library.beet("genreclf-similar", "id:1")  # compiles modules
    _add_embeddings(library, _SIMILAR)
    seconds, (_, memory) = _used(library.watched, "genreclf-similar", "id:1")
    return {"tracks": _SIMILAR, "seconds": round(seconds, 1), "mb": round(max(memory))}


def _used(run: Callable[..., Result], *arguments: str) -> tuple[float, Result]:
    """Run `beet`; return the processor time of all its processes in seconds, and the result."""
    before = _processor_time()
    result = run(*arguments)
    return _processor_time() - before, result


def _add_embeddings(library: Library, tracks: int) -> None:
    """Add tracks without files to a library, and random embeddings of them to its cache."""
    rng = np.random.default_rng(0)
    version = analysis_version(CnnBackend().features_version)
    cache = library.root / "genreclf-cache.db"
    with closing(sqlite3.connect(cache)) as connection:
        (places,) = connection.execute("SELECT places FROM analyses").fetchone()
    for first in range(2, tracks + 1, _BATCH):
        ids = range(first, min(first + _BATCH, tracks + 1))
        embeddings = rng.normal(size=(len(ids), EMBEDDING_SIZE))
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        rows = [*zip(ids, embeddings.astype("<f2"), strict=True)]
        with closing(sqlite3.connect(library.root / "library.db")) as database, database:
            database.executemany(
                "INSERT INTO items (id, path, title, artist) VALUES (?, ?, 'title', 'artist')",
                ((id_, f"{id_}.mp3".encode()) for id_ in ids),
            )
        with closing(sqlite3.connect(cache)) as database, database:
            database.executemany(
                "INSERT INTO files VALUES (?, 1, 1, ?)",
                (
                    (os.fsencode(library.music / f"{id_}.mp3"), id_.to_bytes(32, "big"))
                    for id_ in ids
                ),
            )
            database.executemany(
                "INSERT INTO embeddings VALUES (?, ?, ?, ?)",
                ((id_.to_bytes(32, "big"), version, places, it.tobytes()) for id_, it in rows),
            )


def _processor_time() -> float:
    """Return the processor time that child processes have used, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
