"""Songs of equal length as one array."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.column_table import ColumnTable


@dataclass(frozen=True)
class SongTable(ColumnTable):
    """A table with one row per song.

    values: (songs, ...) spectrograms, or (songs, segments, ...) once cut.
    track, genre, group: (songs,) strings; songs by one artist have the same group.
    held_out: (songs,) whether the song is in the dataset's validation split.
    """

    values: NDArray[Any]
    track: NDArray[np.str_]
    genre: NDArray[np.str_]
    group: NDArray[np.str_]
    held_out: NDArray[np.bool_]

    def with_values(self, values: NDArray[Any]) -> SongTable:
        """Return the same songs with other values."""
        return replace(self, values=values)

    def split_segments(self) -> SongTable:
        """Return each segment as a separate song. values: (songs * segments, 1, ...)."""
        count = self.values.shape[1]
        columns = (np.repeat(column, count, axis=0) for column in list(vars(self).values())[1:])
        return SongTable(self.values.reshape(-1, 1, *self.values.shape[2:]), *columns)
