"""Which windows of a track are analyzed.

A track has evenly spaced places for windows. Fewer windows are some of those of more, so that an
analysis serves them, too, and can be completed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEFAULT_WINDOWS = 10  # per track; more windows change the accuracy by less than 0.01
# The first windows of a track that are analyzed, and the only ones by the second network: for it, 3
# are as accurate as 10, and 1 is worse by 0.01.
FIRST_WINDOWS = 3


def place_count(count: int) -> int:
    """Return the number of places of a track that so many windows are chosen among.

    Analyses with the same number of places have windows in common.
    """
    return max(count, DEFAULT_WINDOWS)


def evenly_spaced(indices: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return up to `count` of the indices, evenly spaced.

    Examples
    --------
    >>> evenly_spaced(np.arange(10), 3)
    array([1, 5, 8])
    >>> evenly_spaced(np.arange(2), 3)
    array([0, 1])
    """
    count = min(count, len(indices))
    return indices[((np.arange(count) + 0.5) * len(indices) / max(count, 1)).astype(int)]


def chosen_places(count: int, places: int) -> NDArray[np.intp]:
    """Return up to `count` of the places of a track, ascending.

    First come `FIRST_WINDOWS` evenly spaced ones, then evenly spaced others.

    Examples
    --------
    >>> for count in (1, 2, 3, 5):
    ...     print(chosen_places(count, 10))
    [5]
    [1 8]
    [1 5 8]
    [1 2 5 7 8]
    """
    first = evenly_spaced(np.arange(places), FIRST_WINDOWS)
    if count <= FIRST_WINDOWS:
        return evenly_spaced(first, count)
    others = np.setdiff1d(np.arange(places), first)
    return np.union1d(first, evenly_spaced(others, count - FIRST_WINDOWS))


def needed_places(count: int, places: int) -> NDArray[np.bool_]:
    """Return the `chosen_places` and the first ones as a mask, (places,).

    If one of these is silent, others are chosen, see `Analysis.select`.
    """
    needed = np.zeros(places, np.bool_)
    needed[chosen_places(count, places)] = needed[chosen_places(FIRST_WINDOWS, places)] = True
    return needed
