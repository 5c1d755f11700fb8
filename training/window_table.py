"""Tables of the windows of many tracks, which models are fitted on and evaluated with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.progress import track as progress

from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.audio.windows import Windows, read_windows
from genremodel.column_table import ColumnTable
from genremodel.errors import AudioError
from genremodel.models.knn import window_features
from genremodel.models.musicnn import MTT_WINDOWS, MusicnnPair
from training.augmentation import augmented
from training.datasets.track import DataError, Track
from training.synthetic_nonmusic import nonmusic

# song: a whole song, available as network outputs only. train, valid: audio files, with no artist
# in both. altered: augmented copies of the windows of files, which are only fitted on. noisy: files
# with noisy labels, which genre classifiers are never fitted on. recorded, synthesized: sounds that
# are not music.
Role: TypeAlias = Literal["song", "train", "valid", "altered", "noisy", "recorded", "synthesized"]
NOISY: Role = "noisy"


@dataclass(frozen=True)
class WindowTable(ColumnTable):
    """One row per window.

    values: (rows, columns) outputs of the networks, or features; NaN where not available.
    track, genre, group: (rows,) strings. Rows of one group (artist) stay on one side of a split.
    weight: (rows,) in a fit.
    role: (rows,) kind of the track, see `Role`.
    """

    values: NDArray[np.float32]
    track: NDArray[np.str_]
    genre: NDArray[np.str_]
    group: NDArray[np.str_]
    weight: NDArray[np.float64]
    role: NDArray[np.str_]

    def has_role(self, *roles: Role) -> NDArray[np.bool_]:
        """Return a mask of the rows that have one of the roles, (rows,)."""
        return np.isin(self.role, roles)

    def with_role(self, *roles: Role) -> WindowTable:
        """Return the rows that have one of the roles."""
        return self[self.has_role(*roles)]

    def by_track(self) -> tuple[NDArray[np.str_], NDArray[np.str_], list[NDArray[np.intp]]]:
        """Return genre, group and row indices of each track."""
        _, first, inverse = np.unique(self.track, return_index=True, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        rows = np.split(order, np.cumsum(np.bincount(inverse))[:-1])
        return self.genre[first], self.group[first], rows


def read_outputs(tracks: Sequence[Track], backbones: MusicnnPair) -> WindowTable:
    """Return the outputs of both networks. Raises DataError when no track is readable."""
    return _read(tracks, backbones.run, DEFAULT_WINDOWS)


def read_augmented(tracks: Sequence[Track], backbones: MusicnnPair) -> WindowTable:
    """Return the outputs of both networks for augmented windows, see `augmented`."""
    rng = np.random.default_rng(0)
    table = _read(tracks, backbones.run, MTT_WINDOWS, lambda windows: augmented(windows, rng))
    return replace(
        table,
        track=np.char.add(table.track, " altered"),
        role=np.full(len(table), "altered"),
    )


def read_features(tracks: Sequence[Track], groups: Collection[str]) -> WindowTable:
    """Return librosa features of each track's windows. Raises DataError when none is readable."""
    return _read(tracks, lambda w: window_features(w.samples, groups), DEFAULT_WINDOWS)


def read_sounds(
    recordings: Sequence[Track], read: Callable[[Windows], NDArray[np.float32]], each: int
) -> WindowTable:
    """Return the values of sounds that are not music, recorded and synthesized.

    read: returns the values of windows. each: number of synthesized sounds of each kind.
    """
    table = _synthesized(read, each)
    if recordings:
        recorded = _read(recordings, read, DEFAULT_WINDOWS)
        table += replace(recorded, role=np.full(len(recorded), "recorded"))
    return table


def _synthesized(read: Callable[[Windows], NDArray[np.float32]], each: int) -> WindowTable:
    """Return the values of synthesized sounds of one window."""
    kinds = nonmusic(each, np.random.default_rng(0))
    kind = np.repeat([*kinds], each)
    sounds = np.concatenate([*kinds.values()])
    return WindowTable(
        np.concatenate([read(Windows(np.zeros(1), sound[np.newaxis])) for sound in sounds]),
        np.char.add(kind, [f" {number}" for number in range(len(kind))]),
        kind,
        kind,
        np.ones(len(kind)),
        np.full(len(kind), "synthesized"),
    )


def _read(
    tracks: Sequence[Track],
    read: Callable[[Windows], NDArray[np.float32]],
    count: int,
    alter: Callable[[Windows], Windows] = lambda windows: windows,
) -> WindowTable:
    """Decode `count` windows of each track and read their values.

    Skips silent windows, and files that cannot be decoded, which are reported.
    """
    values: list[NDArray[np.float32]] = []
    owners: list[Track] = []
    for track in progress(tracks, description=f"{len(tracks)} files", transient=True):
        try:
            windows = alter(read_windows(track.path, count))
        except AudioError as exc:
            print(f"{track.path}: {exc}", file=sys.stderr)
            continue
        if not windows.audible.any():
            continue
        found = read(windows)[windows.audible]
        values.append(found)
        owners += [track] * len(found)
    if not owners:
        raise DataError(f"none of {len(tracks)} files can be analyzed")
    return WindowTable(
        np.concatenate(values),
        np.array([owner.name for owner in owners]),
        np.array([owner.genre for owner in owners]),
        np.array([owner.group for owner in owners]),
        np.array([owner.weight for owner in owners]),
        np.array([owner.split for owner in owners]),
    )
