"""Emotify: 18-second MP3s of four genres from Magnatune (Aljanaki, Wiering and Veltkamp, 2016).

Known problem: the labels pop and rock are noisy; many tracks of both are tagged "Alternative Rock".
"""

from __future__ import annotations

import csv
from pathlib import Path

from training.datasets.index_csv import read_index
from training.datasets.track import Track

LICENSE = "none is stated with the copy in use; the recordings are copyrighted"


def id3_genres(folder: Path) -> dict[str, str]:
    """Return the genre in the ID3 tag of each track, by its name, such as "Alternative Rock"."""
    index = folder / "emotify" / "index.csv"
    with index.open(newline="", encoding="utf-8") as file:
        return {row["path"]: row["id3_genre"] for row in csv.DictReader(file)}


def load(folder: Path) -> list[Track]:
    """Return the tracks of all four genres."""
    return [track for track, _ in read_index(folder / "emotify")]
