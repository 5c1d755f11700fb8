"""Libraries for benchmarks of the `beet` command."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path

import yaml
from mutagen.id3 import ID3, TIT2

from beetsplug.genreclf.fields import (
    AGREEMENT,
    CONFIDENCE,
    JOURNAL_ID,
    MODEL,
    PREDICTED_GENRE,
    REASON,
    VOTES,
)
from genremodel.audio.decoding import open_audio


def stream_copies(original: Path, folder: Path, count: int, frames: int | None = None) -> None:
    """Write copies of an MP3 with a title, each starting one frame later than the previous one.

    frames: number of frames of each copy; all remaining ones by default.
    """
    content = original.read_bytes()
    container, stream = open_audio(original)
    with container:
        starts = [packet.pos for packet in container.demux(stream) if packet.size]
    tags, header = ID3(), BytesIO()
    tags.add(TIT2(text="title"))
    tags.save(header)
    folder.mkdir()
    for number in range(count):
        end = starts[number + frames] if frames else None
        copy = header.getvalue() + content[starts[number] : end]
        (folder / f"{number:05}.mp3").write_bytes(copy)


class Library:
    """A beets library in its own folder."""

    def __init__(self, root: Path, music: Path) -> None:
        self.root = root
        self.music = music

    def configure(self, *, threads: int = 1, plugins: Sequence[str] = ("genreclf",)) -> None:
        """Write the configuration. `types`, if used, defines the type of the confidence."""
        settings = {
            "directory": str(self.music),
            "library": str(self.root / "library.db"),
            "plugins": [*plugins],
            "import": {"copy": False, "duplicate_keys": {"item": "path"}},
            "types": {CONFIDENCE: "float"},
            "genreclf": {
                "auto": False,
                "write": True,
                "cache": "genreclf-cache.db",
                "threads": threads,
            },
        }
        self.root.mkdir(exist_ok=True)
        (self.root / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def fill(self, tracks: int) -> None:
        """Add tracks without files to a new library, with the fields of the plugin."""
        self.beet("ls", "title:nothing")  # creates the tables
        rng = random.Random(0)
        with closing(sqlite3.connect(self.root / "library.db")) as library, library:
            for number in range(tracks):
                row = (number, f"{number}.mp3".encode(), f"title {number}", "artist", "rock", 200.0)
                library.execute(
                    "INSERT INTO items (id, path, title, artist, genres, length) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    row,
                )
                values = {
                    PREDICTED_GENRE: rng.choice(("blues", "jazz", "pop", "rock", "classical", "")),
                    CONFIDENCE: f"{rng.random():.3f}",
                    MODEL: "bundled-cnn-4",
                    VOTES: "jazz 10",
                    REASON: "",
                    AGREEMENT: "differs",
                    JOURNAL_ID: f"{number:016x}",
                }
                library.executemany(
                    "INSERT INTO item_attributes (entity_id, key, value) VALUES (?, ?, ?)",
                    [(number, *value) for value in values.items()],
                )

    def beet(self, *arguments: str) -> float:
        """Run `beet`; return the time in seconds."""
        start = time.perf_counter()
        with self._started(*arguments) as process:
            process.wait()
        _check(process)
        return time.perf_counter() - start

    def output(self, *arguments: str) -> str:
        """Run `beet`; return its output."""
        with self._started(*arguments, stdout=subprocess.PIPE) as process:
            output, _ = process.communicate()
        _check(process)
        return output.decode()

    def watched(self, *arguments: str) -> tuple[float, list[float]]:
        """Run `beet`; return the time in seconds, and memory samples of its processes in MB."""
        start, memory = time.perf_counter(), list[float]()
        with self._started(*arguments) as process:
            while process.poll() is None:
                memory.append(sum(map(_memory, _family(process.pid))))
                time.sleep(0.1)
        _check(process)
        return time.perf_counter() - start, memory

    def _started(
        self, *arguments: str, stdout: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "beets", *arguments],
            env={**os.environ, "BEETSDIR": str(self.root)},
            stdout=stdout,
            stderr=subprocess.DEVNULL,
        )


def _check(process: subprocess.Popen[bytes]) -> None:
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield from _family(child)


def _memory(pid: int) -> float:
    """Return the proportional set size (PSS) of a process in MB."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return int(text.split("Pss:")[1].split()[0]) / 1000
