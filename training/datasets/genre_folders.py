"""Any folder of `genre/track.*`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from training.datasets.track import DataError, Track, genre_name

LICENSE = "unknown"

_MIN_GENRES, _MIN_TRACKS = 2, 6  # with fewer, some part of a cross-validation has a single genre


def load(folder: Path) -> list[Track]:
    """Return every file of every genre folder. Raises DataError if there are too few."""
    tracks = [
        Track(path, f"{path.parent.name}/{path.name}", genre_name(path.parent.name))
        for path in sorted(folder.glob("*/*"))
        if path.is_file() and not path.name.startswith(".")
    ]
    sizes = Counter(track.genre for track in tracks).values()
    if sum(size >= _MIN_TRACKS for size in sizes) < _MIN_GENRES:
        raise DataError(
            f"{folder}: fewer than {_MIN_GENRES} folders of a genre with {_MIN_TRACKS} files"
        )
    return tracks
