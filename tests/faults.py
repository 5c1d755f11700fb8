"""Files that no program should meet, and every collection has."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

import genremodel
from genremodel.models.bundled import MSD_FILE

NOISE = np.random.default_rng(0).integers(256, size=20_000, dtype=np.uint8).tobytes()


def _archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("song.mp3", NOISE)
    return content.getvalue()


def _cut(share: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(len(content) * share)]


# Damage to the content of a file. None of these leaves any audio.
HOPELESS: dict[str, Callable[[bytes], bytes]] = {
    "zero bytes": lambda content: b"",
    "random bytes": lambda content: NOISE,
    "text": lambda content: b"Dear diary,\n" * 500,
    "image": lambda content: b"\x89PNG\r\n\x1a\n" + NOISE,
    "archive": lambda content: _archive(),
    "headers only": lambda content: content[:200],
}
TRUNCATED = {f"truncated at {share:.0%}": _cut(share) for share in (0.01, 0.5, 0.99)}


def mutated(content: bytes, seed: int) -> bytes:
    """Return a file with some of its bits flipped, a part cut out, zeroed, doubled, or lost."""
    rng = np.random.default_rng(seed)
    data = np.frombuffer(content, np.uint8).copy()
    start, end = sorted(rng.integers(len(data), size=2))
    match seed % 5:
        case 0:
            places = rng.integers(len(data), size=rng.integers(1, 200))
            data[places] ^= 1 << rng.integers(8, size=len(places)).astype(np.uint8)
        case 1:
            data[: min(len(data), 400)] ^= (rng.random(min(len(data), 400)) < 0.05).astype(np.uint8)
        case 2:
            data = np.delete(data, slice(start, end))
        case 3:
            data[start : min(end, start + 5000)] = 0
        case _:
            data = np.concatenate([data[:end], data[start:]])
    return data.tobytes()


def without_modules(folder: Path, *modules: str) -> dict[str, str]:
    """Return an environment in which modules cannot be imported. folder: to be made for it."""
    folder.mkdir()
    for module in modules:
        (folder / f"{module}.py").write_text(f"raise ImportError('no {module} here')")
    return imported_first(folder)


def with_damaged_network(folder: Path, asset: str = MSD_FILE) -> dict[str, str]:
    """Return an environment with a damaged network, or another file, of the bundled model."""
    shutil.copytree(genremodel.__path__[0], folder / "genremodel")
    file = folder / "genremodel" / "assets" / asset
    file.write_bytes(file.read_bytes()[:-2])
    return imported_first(folder)


def imported_first(folder: Path) -> dict[str, str]:
    """Return an environment in which modules are imported from a folder rather than others."""
    inherited = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    return {"PYTHONPATH": os.pathsep.join([str(folder), *inherited])}


@contextmanager
def small_disk(folder: Path, size: str = "3m") -> Iterator[Path]:
    """Mount a disk at a folder; skip the test where nothing can be mounted.

    size: as tmpfs takes it.
    """
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if (
        sys.platform != "linux"
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write a file until its disk is full, and return it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as full, suppress(OSError):
        while True:
            full.write(b"x" * 4096)
    return filler
