"""The detector of non-music: noise, tones, speech and other sounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE

# Weights for embeddings of both networks with which `is_nonmusic` is False, if all are finite.
NO_NONMUSIC_DETECTION = np.zeros(2 * EMBEDDING_SIZE + 1)


def is_nonmusic(weights: NDArray[np.float64], values: NDArray[np.floating[Any]]) -> bool:
    """Return True if ``mean(values) @ weights[:-1] + weights[-1] > 0``.

    Parameters
    ----------
    weights : (columns + 1,)
        A logistic regression, the last weight is the bias.
    values : (windows, columns)
        `NetworkOutputs.both_embeddings` or features. True if any is NaN, False without windows.

    Examples
    --------
    >>> is_nonmusic(np.array([1.0, -0.5]), np.array([[0.6], [0.8]]))
    True
    """
    return bool(len(values)) and not nonmusic_odds(weights, values) <= 0


def nonmusic_odds(weights: NDArray[np.float64], values: NDArray[np.floating[Any]]) -> float:
    """Return the log-odds of `is_nonmusic` for at least one window: positive for non-music.

    Examples
    --------
    >>> nonmusic_odds(np.array([1.0, -0.5]), np.array([[0.5], [1.5]]))
    0.5
    """
    return float(values.mean(axis=0, dtype=np.float64) @ weights[:-1] + weights[-1])
