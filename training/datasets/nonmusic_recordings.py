"""Recordings that are not music: environmental sounds and synthetic speech.

Folds 1 to 4 of ESC-10 (K. J. Piczak, "ESC: dataset for environmental sound classification", 2015)
and sentences by a speech synthesizer, listed in `index.csv` with path, kind, source and license.
Known problem: all speech is by one synthesizer, so the figures do not hold for people who speak.
"""

from __future__ import annotations

import csv
from pathlib import Path

from training.datasets.source import Source
from training.datasets.track import DataError, Track

SPEECH = "speech"
_FOLDER = "nonmusic"


def load(folder: Path) -> list[Track]:
    """Return the recordings, the kind as genre and artist. Raises DataError."""
    return [
        Track(folder / _FOLDER / row["path"], row["path"], kind, artist=kind)
        for row in _rows(folder)
        if (kind := row["kind"].replace("_", " "))
    ]


def sources(folder: Path) -> list[Source]:
    """Return the origins of the recordings. Raises DataError."""
    rows = _rows(folder)
    names = dict.fromkeys((row["source"], row["licence"]) for row in rows)
    counts = [sum(row["source"] == name for row in rows) for name, _ in names]
    return [
        Source(name, f"{count} recordings that are not music", license_)
        for (name, license_), count in zip(names, counts, strict=True)
    ]


def _rows(folder: Path) -> list[dict[str, str]]:
    try:
        with (folder / _FOLDER / "index.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as exc:
        raise DataError(f"{exc.filename}: {exc.strerror}") from exc
