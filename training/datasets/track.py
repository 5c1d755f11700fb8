"""What every dataset is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Split: TypeAlias = Literal["train", "valid", "test"]

_SPELLINGS = {"hiphop": "hip hop", "hip-hop": "hip hop"}


class DataError(Exception):
    """A dataset is not where or what it should be; the message names the path."""


@dataclass(frozen=True)
class Track:
    """An audio file with its genre.

    name: identifies the file within its dataset.
    weight: how much each of its windows counts in a fit.
    artist: songs of one artist never stand on both sides of a split; None where unknown.
    """

    path: Path
    name: str
    genre: str
    artist: str | None = None
    split: Split = "train"
    weight: float = 1.0

    @property
    def group(self) -> str:
        """The artist, or the file itself where the artist is unknown."""
        return self.artist or self.name


def genre_name(folder: str) -> str:
    """Return the model's name of the genre that a dataset's folder or label names."""
    name = folder.strip().lower().replace("_", " ")
    return _SPELLINGS.get(name, name)
