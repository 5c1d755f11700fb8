"""The corpus that the bundled model is fitted and calibrated on."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from genremodel.evaluation import FOLDS
from genremodel.models.knn import GROUPS
from training.datasets import (
    emotify,
    genre_folders,
    gtzan,
    gtzan_clips,
    gtzan_taggrams,
    nonmusic_recordings,
)
from training.datasets.source import Source
from training.datasets.track import DataError, Track
from training.methods import Networks
from training.reading import Reader
from training.window_table import WindowTable

_GTZAN = "GTZAN, fault-filtered split"
DEFAULT_FOLDER = Path(os.environ.get("GENRE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True)
class Corpus:
    """Audio files for training and validation, and backbone outputs of whole songs, if available.

    No artist is in both `train` and `valid`. sources: described in the model card. emotify: all of
    its tracks, in `train` or not. recordings: of non-music. reader: reads the files.
    """

    train: list[Track]
    valid: list[Track]
    sources: list[Source]
    taggrams: WindowTable | None = None
    emotify: list[Track] = field(default_factory=list)
    recordings: list[Track] = field(default_factory=list)
    reader: Reader = field(default_factory=Reader)
    _tables: dict[object, WindowTable] = field(default_factory=dict, init=False, repr=False)

    @property
    def files(self) -> list[Track]:
        """All audio files."""
        return [*self.train, *self.valid]

    @property
    def more_music(self) -> list[Track]:
        """Tracks of Emotify with noisy labels, which genre classifiers are not fitted on."""
        known = set(self.train)
        return [track for track in self.emotify if track not in known]

    @property
    def is_project_data(self) -> bool:
        """Whether this is the data of the released model, with whole songs."""
        return self.taggrams is not None

    def outputs(self, networks: Networks) -> WindowTable:
        """Return the table that the heads are fitted on and evaluated with, in all roles.

        It is read once for the same networks.
        """
        if networks not in self._tables:
            table = self.reader.outputs(self.files, networks, altered=True)
            self._tables[networks] = table if self.taggrams is None else table + self.taggrams
        return self._tables[networks]

    def more_outputs(self, networks: Networks) -> WindowTable:
        """Return the outputs for `more_music`, which is read once for the same networks."""
        key = (networks, "more_music")
        if key not in self._tables:
            self._tables[key] = self.reader.outputs(self.more_music, networks)
        return self._tables[key]

    def emotify_outputs(self, networks: Networks) -> WindowTable:
        """Return the outputs for all tracks of Emotify."""
        files = self.outputs(networks).with_role("train")
        names = [track.name for track in self.emotify]
        return files[files.has_name(names)] + self.more_outputs(networks)

    def features(self, groups: Collection[str] = tuple(GROUPS)) -> WindowTable:
        """Return the table that KNN is fitted on and evaluated with: features of some groups.

        It is read once for the same groups.
        """
        key = frozenset(groups)
        if key not in self._tables:
            self._tables[key] = self.reader.features(self.files, groups)
        return self._tables[key]


def load(folder: Path = DEFAULT_FOLDER, reader: Reader | None = None) -> Corpus:
    """Load the project's data, public GTZAN, or any `genre/track` folders.

    reader: reads the files, by default with the default cache.
    Raises DataError if the folder holds none of them.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    reader = reader or Reader()
    if (folder / "gtzan-taggrams").is_dir():
        return replace(_project(folder), reader=reader)
    if gtzan.recognizes(folder):
        tracks = gtzan.load(folder)
        source = Source(_GTZAN, f"{len(tracks)} tracks (audio)", gtzan.LICENSE)
        return Corpus(_of(tracks, "train"), _of(tracks, "valid"), [source], reader=reader)
    return replace(_divide(genre_folders.load(folder)), reader=reader)


def _project(folder: Path) -> Corpus:
    clips = gtzan_clips.load(folder)
    # GTZAN lacks electronic music, and its classical music hardly has early music or a solo guitar.
    # The labels of Emotify's pop and rock are noisy.
    songs = emotify.load(folder)
    extra = [track for track in songs if track.genre in ("electronic", "classical")]
    train, taggrams = _of(clips, "train"), gtzan_taggrams.load(folder)
    whole = len(taggrams.tracks)
    sources = [
        Source(
            _GTZAN,
            f"{whole} whole tracks (outputs of the first network), {len(clips)} excerpts (audio)",
            gtzan.LICENSE,
        ),
        Source(
            "Emotify",
            f"{len(extra)} electronic and classical tracks (audio), and {len(songs) - len(extra)} "
            "others for the detector of non-music and the figures of albums and styles",
            emotify.LICENSE,
        ),
        *nonmusic_recordings.sources(folder),
    ]
    recordings = nonmusic_recordings.load(folder)
    return Corpus(train + extra, _of(clips, "valid"), sources, taggrams, songs, recordings)


def _of(tracks: Sequence[Track], split: str) -> list[Track]:
    return [track for track in tracks if track.split == split]


def _divide(tracks: Sequence[Track]) -> Corpus:
    """Hold out a fifth for validation if the data has no split of its own."""
    genres = np.array([track.genre for track in tracks])
    groups = np.array([track.group for track in tracks])
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    train, valid = next(folds.split(genres, genres, groups))
    return Corpus(
        [tracks[i] for i in train],
        [replace(tracks[i], split="valid") for i in valid],
        [Source("own music", f"{len(tracks)} tracks (audio)", genre_folders.LICENSE)],
    )
