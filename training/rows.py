"""Windows of many tracks as rows of a table: what heads are fitted on and scored with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.progress import track as progress

from genremodel.audio import AudioError, Windows, read_windows
from genremodel.backbone import Backbone
from genremodel.constants import DEFAULT_WINDOWS
from genremodel.features import window_features
from training.datasets.track import DataError, Track


@dataclass(frozen=True)
class Rows:
    """One row a window.

    values: (rows, columns) activations or features.
    track, genre, group: (rows,) strings; rows of one group stay on one side of a split.
    weight: (rows,) how much each counts in a fit.
    """

    values: NDArray[np.float32]
    track: NDArray[np.str_]
    genre: NDArray[np.str_]
    group: NDArray[np.str_]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, keep: NDArray[np.bool_]) -> Rows:
        return Rows(*(column[keep] for column in vars(self).values()))

    def __add__(self, other: Rows) -> Rows:
        """Return the rows of both; a track in both is two tracks of one group."""
        return Rows(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.track, np.char.add("+", other.track)]),
            np.concatenate([self.genre, other.genre]),
            np.concatenate([self.group, other.group]),
            np.concatenate([self.weight, other.weight]),
        )

    def by_track(self) -> tuple[NDArray[np.str_], NDArray[np.str_], list[NDArray[np.intp]]]:
        """Return genre and group of each track, and which rows are its."""
        _, first, inverse = np.unique(self.track, return_index=True, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        rows = np.split(order, np.cumsum(np.bincount(inverse))[:-1])
        return self.genre[first], self.group[first], rows


def read_activations(tracks: Sequence[Track], backbone: Backbone) -> Rows:
    """Return the activations of each track's windows. Raises DataError when none is readable."""
    return _read(tracks, lambda windows: backbone.run(windows)[0], DEFAULT_WINDOWS)


def read_features(tracks: Sequence[Track], windows: int = DEFAULT_WINDOWS) -> Rows:
    """Return librosa features of each track's windows. Raises DataError when none is readable."""
    return _read(tracks, lambda w: window_features(w.samples), windows)


def _read(
    tracks: Sequence[Track], read: Callable[[Windows], NDArray[np.float32]], count: int
) -> Rows:
    """Decode `count` windows of each track and read their values.

    Silent windows are left out, and so are files that cannot be decoded, once they are named.
    """
    values: list[NDArray[np.float32]] = []
    owners: list[Track] = []
    for track in progress(tracks, description=f"{len(tracks)} files", transient=True):
        try:
            windows = read_windows(track.path, count)
        except AudioError as exc:
            print(f"{track.path}: {exc}", file=sys.stderr)
            continue
        heard = read(windows)[windows.audible]
        values.append(heard)
        owners += [track] * len(heard)
    if not owners:
        raise DataError(f"none of {len(tracks)} files can be heard")
    return Rows(
        np.concatenate(values),
        np.array([owner.name for owner in owners]),
        np.array([owner.genre for owner in owners]),
        np.array([owner.group for owner in owners]),
        np.array([owner.weight for owner in owners]),
    )
