"""Choose some of many, evenly spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly_spaced(indices: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return up to `count` of the indices, evenly spread."""
    count = min(count, len(indices))
    return indices[((np.arange(count) + 0.5) * len(indices) / max(count, 1)).astype(int)]
