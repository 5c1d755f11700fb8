"""A labeled audio file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Split: TypeAlias = Literal["train", "valid", "test"]

_SPELLINGS = {"hiphop": "hip hop", "hip-hop": "hip hop"}


class DataError(Exception):
    """A dataset is missing or invalid; the message starts with the path."""


@dataclass(frozen=True)
class Track:
    """An audio file with its genre.

    name: identifies the file within its dataset.
    weight: weight of each of its windows in training.
    artist: songs by one artist are never on both sides of a split; None if unknown.
    """

    path: Path
    name: str
    genre: str
    artist: str | None = None
    split: Split = "train"
    weight: float = 1.0

    @property
    def group(self) -> str:
        """The artist, or the name of the file if the artist is unknown."""
        return self.artist or self.name


def genre_name(folder: str) -> str:
    """Return the model's name of the genre with this folder name or label."""
    name = folder.strip().lower().replace("_", " ")
    return _SPELLINGS.get(name, name)
