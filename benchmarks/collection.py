"""Measure what a track of a large collection costs: `python -m benchmarks.collection`.

The costs per track are those of `beet genreclf` on four-minute MP3s with one worker: processor time
of all processes, and the growth of the database, the journal, the cache and the files. Bytes read
are those that the operating system counts for one process, on Linux only. `beet genreclf-similar`
then runs on a library of synthetic embeddings; with a million tracks, that takes 1 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.library import Library, stream_copies
from genremodel import GenreClassifier
from genremodel.analysis import EMBEDDING_SIZE
from genremodel.audio.digest import audio_digest
from genremodel.models.base import analysis_version
from genremodel.models.musicnn import CnnBackend
from tests.sounds import melody, write

_SECONDS = 240
_TRACKS = 300
_FIRST = 20  # tracks that are analyzed before: starting `beet` and its worker is no cost of a track
_FORMATS = ("mp3", "flac", "opus", "wav")
_BATCH = 10_000  # rows of the synthetic library


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--similar", type=int, default=1_000_000, metavar="TRACKS")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="genreclf-collection-") as folder:
        root = Path(folder)
        sound = melody(_SECONDS)
        files = [write(root / f"a.{kind}", sound) for kind in _FORMATS]
        figures = [*bytes_read(files), *costs(root, files[0]), *similar(root, options.similar)]
    for name, value in figures:
        print(f"{name:<44} {value}")


def bytes_read(files: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield the bytes that are read to classify each file, and its size."""
    classifier = GenreClassifier()
    for path in files:
        classifier.predict(path)
        before = _read()
        audio_digest(path)
        classifier.predict(path)
        name = f"bytes read, {path.suffix.removeprefix('.')}"
        yield name, f"{_read() - before:,} of {path.stat().st_size:,}"


def _read() -> int:
    """Return the bytes that this process has read."""
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/io").read_text().split()[1])


def costs(root: Path, original: Path) -> Iterator[tuple[str, str]]:
    """Yield what `beet genreclf` costs for each track."""
    music = root / "music"
    stream_copies(original, music, _TRACKS + _FIRST)
    library = Library(root / "small", music)
    library.configure()
    library.beet("import", "--quiet", "--noautotag", "--singletons", str(music))
    library.beet("genreclf", f"id:1..{_FIRST}")
    sizes, used = _sizes(library), _processor_time()
    seconds = library.beet("genreclf")
    used = _processor_time() - used
    yield "time, one worker", f"{1000 * seconds / _TRACKS:.1f} ms"
    yield "processor time", f"{1000 * used / _TRACKS:.1f} ms"
    for name, size in _sizes(library).items():
        yield name, f"{(size - sizes[name]) / _TRACKS:,.0f} bytes"
    began = time.perf_counter()
    library.beet("genreclf", "--force")
    yield "again, from the cache", f"{1000 * (time.perf_counter() - began) / _TRACKS:.1f} ms"


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
        "database of beets": size("library.db"),
        "tags": size("*", library.music),
    }


def similar(root: Path, tracks: int) -> Iterator[tuple[str, str]]:
    """Yield time and memory of `beet genreclf-similar` in a library of so many tracks."""
    library = Library(root / "large", root / "music")
    library.configure()
    seed = next(library.music.iterdir())
    library.beet("import", "--quiet", "--noautotag", "--singletons", str(seed))
    library.beet("genreclf")
    library.beet("genreclf-similar", "id:1")  # compiles modules
    _add_embeddings(library, tracks)
    seconds, memory = library.watched("genreclf-similar", "id:1")
    yield f"similar tracks among {tracks:,}", f"{seconds:.1f} s, {max(memory):,.0f} MB"


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


if __name__ == "__main__":
    main()
