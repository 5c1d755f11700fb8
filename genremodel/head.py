"""The genre head: a small linear classifier on the backbone's activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit, softmax

# Beyond this logit (an activation of 0.0025) a tag is absent, or present, and how much more so is
# noise. Chosen with the head, see `training/fitting.py`.
_LARGEST_LOGIT = 6.0


def tag_logits(activations: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the logits of activations, which is what heads read. Same shape."""
    with np.errstate(divide="ignore"):  # an activation of exactly 0 or 1 has an infinite logit
        logits: NDArray[np.float64] = logit(activations.astype(np.float64))
    return logits.clip(-_LARGEST_LOGIT, _LARGEST_LOGIT)


@dataclass(frozen=True)
class LinearHead:
    """Multinomial logistic regression on tag logits.

    weight: (ACTIVATIONS, genres). bias: (genres,).
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def predict_proba(self, activations: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the probability of each genre for each window.

        activations: (windows, ACTIVATIONS). Returns (windows, genres), rows sum to 1.
        """
        scores = tag_logits(activations) @ self.weight + self.bias
        probabilities: NDArray[np.float64] = softmax(scores, axis=1)
        return probabilities
