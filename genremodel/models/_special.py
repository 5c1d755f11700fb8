"""NumPy versions of functions of `scipy.special`, whose import takes a third of the start."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def logit(probability: ArrayLike) -> NDArray[np.float64]:
    """Return log(p / (1 - p)), infinite for 0 and 1."""
    p = np.asarray(probability, np.float64)
    with np.errstate(divide="ignore"):
        odds: NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return odds


def expit(odds: ArrayLike) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-odds)), the inverse of `logit`."""
    probability: NDArray[np.float64] = 0.5 + 0.5 * np.tanh(np.asarray(odds, np.float64) / 2)
    return probability


def log(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithms of probabilities, finite for those that are rounded to 0."""
    logarithms: NDArray[np.float64] = np.log(np.maximum(probability, np.finfo(np.float64).tiny))
    return logarithms


def softmax(scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return exp(scores), normalized so that rows sum to 1."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities
