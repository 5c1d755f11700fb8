"""Base class of column tables: dataclasses of equally long arrays."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Table = TypeVar("Table", bound="ColumnTable")


class ColumnTable:
    """Base class of frozen dataclasses whose fields are columns, (rows, ...) each."""

    def __len__(self) -> int:
        return len(next(iter(vars(self).values())))

    def __getitem__(self: Table, keep: NDArray[Any]) -> Table:
        """Return the rows selected by a mask or by indices."""
        return type(self)(*(column[keep] for column in vars(self).values()))

    def __add__(self: Table, other: Table) -> Table:
        """Return the rows of both tables."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return type(self)(*(np.concatenate(pair) for pair in pairs))
