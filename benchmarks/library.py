"""The real command on a real library: speed, memory, and how both grow."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import yaml


def stream_copies(original: Path, folder: Path, count: int) -> None:
    """Write copies of an MP3, each without a few more frames at its beginning."""
    content = original.read_bytes()
    with av.open(str(original)) as container:
        starts = [packet.pos for packet in container.demux(audio=0) if packet.size]
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05}.mp3").write_bytes(content[starts[number] :])


class Library:
    """A beets library in a folder of its own."""

    def __init__(self, root: Path, music: Path) -> None:
        self.root = root
        self._music = music

    def configure(self, *, threads: int = 1, plugins: tuple[str, ...] = ("genreclf",)) -> None:
        """Write the settings."""
        settings = {
            "directory": str(self._music),
            "library": str(self.root / "library.db"),
            "plugins": [*plugins],
            "import": {"copy": False, "duplicate_keys": {"item": "path"}},
            "genreclf": {"auto": False, "write": True, "threads": threads},
        }
        (self.root / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def beet(self, *arguments: str) -> float:
        """Run `beet`; return the seconds that it took."""
        start = time.perf_counter()
        with self._started(*arguments) as process:
            process.wait()
        return time.perf_counter() - start

    def peak(self, *arguments: str) -> tuple[float, float]:
        """Run `beet`; return the seconds, and the most memory of all its processes, in MB."""
        start, most = time.perf_counter(), 0.0
        with self._started(*arguments) as process:
            while process.poll() is None:
                most = max(most, sum(map(_memory, _family(process.pid))))
                time.sleep(0.1)
        return time.perf_counter() - start, most

    def _started(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "beets", *arguments],
            env={**os.environ, "BEETSDIR": str(self.root)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield from _family(child)


def _memory(pid: int) -> float:
    """Return the memory of a process in MB, what it shares with others in parts (PSS)."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return int(text.split("Pss:")[1].split()[0]) / 1000
