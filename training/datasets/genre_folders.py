"""Any folder of `genre/track.*`."""

from __future__ import annotations

from pathlib import Path

from training.datasets.track import DataError, Track, genre_name

LICENSE = "unknown"


def load(folder: Path) -> list[Track]:
    """Return every file of every genre folder. Raises DataError if there is none."""
    tracks = [
        Track(path, f"{path.parent.name}/{path.name}", genre_name(path.parent.name))
        for path in sorted(folder.glob("*/*"))
        if path.is_file() and not path.name.startswith(".")
    ]
    if not tracks:
        raise DataError(f"{folder}: no genre/track files")
    return tracks
