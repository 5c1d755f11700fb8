"""Emotify: 18-second MP3s of four genres from Magnatune (Aljanaki, Wiering and Veltkamp, 2016).

Known problem: the labels pop and rock are noisy; many tracks of both are tagged "Alternative Rock".
"""

from __future__ import annotations

from pathlib import Path

from training.datasets.index_csv import read_index
from training.datasets.track import Track

LICENSE = "none is stated with the copy in use; the recordings are copyrighted"


def load(folder: Path) -> list[Track]:
    """Return the tracks of all four genres."""
    return [track for track, _ in read_index(folder / "emotify")]
