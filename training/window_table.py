"""Tables of the windows of many tracks, which models are fitted on and evaluated with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from genremodel.column_table import ColumnTable

# song: a whole song, available as network outputs only. train, valid: audio files, with no artist
# in both. altered: augmented copies of the windows of files, which are only fitted on. noisy: files
# with noisy labels, which genre classifiers are never fitted on. recorded, synthesized: sounds that
# are not music.
Role: TypeAlias = Literal["song", "train", "valid", "altered", "noisy", "recorded", "synthesized"]
NOISY: Role = "noisy"

MANY_ROWS = 200_000
FITTED_WINDOWS = 2  # of each track in a table of more rows

Names: TypeAlias = "Sequence[str] | NDArray[np.str_]"


def are_many(rows: int) -> bool:
    """Return True if models are fitted on a part of so many rows, in single precision."""
    return rows > MANY_ROWS


@dataclass(frozen=True)
class TrackTable(ColumnTable):
    """One row per track.

    name, genre, group: (tracks,). Tracks of one group (artist) stay on one side of a split.
    weight: (tracks,) of each window in a fit.
    role: (tracks,) see `Role`.
    """

    name: NDArray[np.str_]
    genre: NDArray[np.str_]
    group: NDArray[np.str_]
    weight: NDArray[np.float64]
    role: NDArray[np.str_]


@dataclass(frozen=True)
class WindowTable:
    """One row per window.

    values: (rows, columns) outputs of the networks, or features; NaN where not available.
    track: (rows,) index of a track in `tracks`.
    tracks: the tracks, and possibly others.
    """

    values: NDArray[np.floating[Any]]
    track: NDArray[np.int32]
    tracks: TrackTable

    @classmethod
    def from_rows(
        cls,
        values: NDArray[np.floating[Any]],
        name: NDArray[np.str_],
        genre: NDArray[np.str_],
        group: NDArray[np.str_],
        role: Role | NDArray[np.str_],
    ) -> WindowTable:
        """Return a table from columns with the track of each window: (rows,)."""
        _, first, track = np.unique(name, return_index=True, return_inverse=True)
        roles = np.broadcast_to(role, name.shape)[first]
        tracks = TrackTable(name[first], genre[first], group[first], np.ones(len(first)), roles)
        return cls(values, track.astype(np.int32), tracks)

    def __len__(self) -> int:
        return len(self.track)

    def __getitem__(self, keep: NDArray[Any]) -> WindowTable:
        """Return the rows selected by a mask or by indices."""
        return replace(self, values=self.values[keep], track=self.track[keep])

    def __add__(self, other: WindowTable) -> WindowTable:
        """Return the rows of both tables, which have no track in common."""
        return WindowTable(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.track, other.track + np.int32(len(self.tracks))]),
            self.tracks + other.tracks,
        )

    @property
    def names(self) -> NDArray[np.str_]:
        """The names of the tracks, in the order of `by_track`."""
        return self._different(self.tracks.name)

    @property
    def genres(self) -> NDArray[np.str_]:
        """The genres of the tracks, in alphabetical order."""
        return self._different(self.tracks.genre)

    @property
    def groups(self) -> NDArray[np.str_]:
        """The groups of the tracks, in alphabetical order."""
        return self._different(self.tracks.group)

    @property
    def group_index(self) -> NDArray[np.intp]:
        """(rows,) The same number for all rows of a group."""
        return np.unique(self.tracks.group, return_inverse=True)[1][self.track]

    @property
    def weight(self) -> NDArray[np.float64]:
        """(rows,) The weight in a fit."""
        return self.tracks.weight[self.track]

    def genre_index(self, genres: NDArray[np.str_]) -> NDArray[np.intp]:
        """Return the place of the genre of each row in a sorted list, (rows,)."""
        return np.searchsorted(genres, self.tracks.genre)[self.track]

    def has_role(self, *roles: Role) -> NDArray[np.bool_]:
        """Return a mask of the rows that have one of the roles, (rows,)."""
        return np.isin(self.tracks.role, roles)[self.track]

    def has_name(self, names: Names) -> NDArray[np.bool_]:
        """Return a mask of the rows of tracks with these names, (rows,)."""
        return np.isin(self.tracks.name, names)[self.track]

    def has_genre(self, genre: str) -> NDArray[np.bool_]:
        """Return a mask of the rows of a genre, (rows,)."""
        return (self.tracks.genre == genre)[self.track]

    def in_group(self, groups: Names) -> NDArray[np.bool_]:
        """Return a mask of the rows of these groups, (rows,)."""
        return np.isin(self.tracks.group, groups)[self.track]

    @property
    def precision(self) -> type[np.floating[Any]]:
        """The type of numbers that models are fitted on."""
        return np.float32 if are_many(len(self)) else np.float64

    def fitted_rows(self, rows: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
        """Return the indices of the rows to fit a model on, if it can be fitted on some rows.

        rows: (rows,) a mask of these, by default all.
        """
        fitted = np.arange(len(self)) if rows is None else np.flatnonzero(rows)
        if not are_many(len(self)):
            return fitted
        by_track = fitted[np.argsort(self.track[fitted], kind="stable")]
        _, first, count = np.unique(self.track[by_track], return_index=True, return_counts=True)
        spaced = [  # as in `evenly_spaced`
            first + count * (2 * place + 1) // (2 * FITTED_WINDOWS)
            for place in range(FITTED_WINDOWS)
        ]
        return np.sort(by_track[np.unique(np.concatenate(spaced))])

    def with_role(self, *roles: Role) -> WindowTable:
        """Return the rows that have one of the roles."""
        return self[self.has_role(*roles)]

    def with_tracks(self, **columns: NDArray[Any]) -> WindowTable:
        """Return the same rows with other columns of `tracks`."""
        return replace(self, tracks=replace(self.tracks, **columns))

    def in_role(self, role: Role) -> WindowTable:
        """Return the same rows in another role."""
        return self.with_tracks(role=np.full(len(self.tracks), role))

    def by_track(
        self, rows: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.str_], NDArray[np.str_], list[NDArray[np.intp]]]:
        """Return genre, group and row indices of each track, in the order of their names.

        rows: (rows,) a mask of the rows to return, by default all.
        """
        indices = np.arange(len(self)) if rows is None else np.flatnonzero(rows)
        owner = self.track[indices]
        tracks = self._present(owner)
        tracks = tracks[np.argsort(self.tracks.name[tracks])]
        rank = np.empty(len(self.tracks), np.intp)
        rank[tracks] = np.arange(len(tracks))
        position = rank[owner]
        ordered = indices[np.argsort(position, kind="stable")]
        members = np.split(ordered, np.cumsum(np.bincount(position))[:-1])
        return self.tracks.genre[tracks], self.tracks.group[tracks], members

    def _present(self, owner: NDArray[np.int32]) -> NDArray[np.intp]:
        """Return the indices of tracks that own rows. owner: of each row."""
        found = np.zeros(len(self.tracks), np.bool_)
        found[owner] = True
        return np.flatnonzero(found)

    def _different(self, column: NDArray[np.str_]) -> NDArray[np.str_]:
        return np.unique(column[self._present(self.track)])
