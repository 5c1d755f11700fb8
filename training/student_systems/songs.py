"""Songs of equal length as one array: what the baselines are fitted on and scored with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.tables import ColumnTable


@dataclass(frozen=True)
class Songs(ColumnTable):
    """One row a song.

    values: (songs, ...) spectrograms, or (songs, segments, ...) once cut.
    track, genre, group: (songs,) strings; songs of one group are by one artist.
    held_out: (songs,) whether the dataset's own split keeps it for validation.
    """

    values: NDArray[Any]
    track: NDArray[np.str_]
    genre: NDArray[np.str_]
    group: NDArray[np.str_]
    held_out: NDArray[np.bool_]

    def with_values(self, values: NDArray[Any]) -> Songs:
        """Return the same songs with something else known of each."""
        return replace(self, values=values)

    def apart(self) -> Songs:
        """Return every segment as a song of its own. values: (songs * segments, 1, ...)."""
        count = self.values.shape[1]
        columns = (np.repeat(column, count, axis=0) for column in list(vars(self).values())[1:])
        return Songs(self.values.reshape(-1, 1, *self.values.shape[2:]), *columns)
