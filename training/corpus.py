"""Which music the bundled model is fitted and calibrated on."""

from __future__ import annotations

import os
from collections import abc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from genremodel.models.knn import GROUPS
from genremodel.models.musicnn import MusicnnPair
from training.datasets import emotify, genre_folders, gtzan, gtzan_clips, gtzan_taggrams
from training.datasets.source import Source
from training.datasets.track import DataError, Track
from training.tables import Rows, read_augmented, read_features, read_outputs

_GTZAN = "GTZAN, fault-filtered split"
DEFAULT_FOLDER = Path(os.environ.get("GENRE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True)
class Collection:
    """Raw audio to fit on and to validate with, and backbone outputs of whole songs, if any.

    No artist stands in both `train` and `valid`. sources: what the card says of the data.
    """

    train: list[Track]
    valid: list[Track]
    sources: list[Source]
    taggrams: Rows | None = None

    @property
    def files(self) -> list[Track]:
        """All that there is audio of."""
        return [*self.train, *self.valid]

    def outputs(self, backbones: MusicnnPair) -> Rows:
        """Return what the heads are fitted on and scored with, in all roles."""
        rows = read_outputs(self.files, backbones) + read_augmented(self.files, backbones)
        return rows + self.taggrams if self.taggrams else rows

    def features(self, groups: abc.Collection[str] = tuple(GROUPS)) -> Rows:
        """Return what KNN is fitted on and scored with: features of some groups."""
        return read_features(self.files, groups)


def load(folder: Path = DEFAULT_FOLDER) -> Collection:
    """Return what `folder` holds: the project's data, public GTZAN, or any `genre/track` folders.

    Raises DataError where it holds none of them.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    if (folder / "gtzan-taggrams").is_dir():
        return _project(folder)
    if gtzan.recognises(folder):
        tracks = gtzan.load(folder)
        source = Source(_GTZAN, f"{len(tracks)} tracks (audio)", gtzan.LICENCE)
        return Collection(_of(tracks, "train"), _of(tracks, "valid"), [source])
    return _divide(genre_folders.load(folder))


def _project(folder: Path) -> Collection:
    clips = gtzan_clips.load(folder)
    # GTZAN lacks electronic music, and its classical music hardly has early music or a solo guitar.
    # Emotify's pop and rock are noisy.
    extra = [track for track in emotify.load(folder) if track.genre in ("electronic", "classical")]
    train, taggrams = _of(clips, "train"), gtzan_taggrams.load(folder)
    whole = len(taggrams.by_track()[0])
    sources = [
        Source(
            _GTZAN,
            f"{whole} whole tracks (outputs of the first network), {len(clips)} excerpts (audio)",
            gtzan.LICENCE,
        ),
        Source("Emotify", f"{len(extra)} electronic and classical tracks (audio)", emotify.LICENCE),
    ]
    return Collection(train + extra, _of(clips, "valid"), sources, taggrams)


def _of(tracks: Sequence[Track], split: str) -> list[Track]:
    return [track for track in tracks if track.split == split]


def _divide(tracks: Sequence[Track]) -> Collection:
    """Hold out a fifth for validation where the data has no split of its own."""
    genres = np.array([track.genre for track in tracks])
    groups = np.array([track.group for track in tracks])
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    train, valid = next(folds.split(genres, genres, groups))
    return Collection(
        [tracks[i] for i in train],
        [replace(tracks[i], split="valid") for i in valid],
        [Source("music of one's own", f"{len(tracks)} tracks (audio)", genre_folders.LICENCE)],
    )
