"""Probabilities and log-odds, as `scipy.special` has them, whose import is a third of a start."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def logit(probability: ArrayLike) -> NDArray[np.float64]:
    """Return log-odds, infinite where a probability is 0 or 1. Same shape."""
    p = np.asarray(probability, np.float64)
    with np.errstate(divide="ignore"):
        odds: NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return odds


def expit(odds: ArrayLike) -> NDArray[np.float64]:
    """Return the probabilities of log-odds: the inverse of `logit`. Same shape."""
    probability: NDArray[np.float64] = 0.5 + 0.5 * np.tanh(np.asarray(odds, np.float64) / 2)
    return probability


def softmax(scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the probabilities whose logarithms differ as scores do; rows sum to 1."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities
