"""How unlike a track is to everything that a model was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE

NO_MUSIC = 6.0  # the novelty of what is no music at all
_FARTHEST = 5.0  # of music, which that of genres left out of training does not come near
ALL_IS_MUSIC = np.zeros(EMBEDDING_SIZE + 1)  # weights of a detector that detects nothing


@dataclass(frozen=True)
class Novelty:
    """Distances from the centres of the known genres, in units of how far their own tracks lie.

    The Mahalanobis distance to the nearest class, with one covariance for all: Lee, Lee, Lee and
    Shin, "A simple unified framework for detecting out-of-distribution samples and adversarial
    attacks", NeurIPS 2018.
    centres: (genres, TAGS), whitened. whitening: (TAGS, TAGS), a factor of the
    precision of tag logits.
    nonmusic: (EMBEDDING_SIZE + 1,) weights, the last a bias, of a logistic regression that tells
    synthesised noise, tones and speech from music.
    """

    centres: NDArray[np.float64]
    whitening: NDArray[np.float64]
    nonmusic: NDArray[np.float64]

    def score(
        self, logits: NDArray[np.floating[Any]], embeddings: NDArray[np.floating[Any]]
    ) -> float:
        """Return the logarithm of the distance of a track, the mean of its windows.

        logits: (windows, TAGS). embeddings: (windows, EMBEDDING_SIZE), NaN or (windows, 0) where
        they are not known, and then it is music. At least one window.
        """
        known = not np.isnan(embeddings).all()
        if known and is_nonmusic(self.nonmusic, embeddings):
            return NO_MUSIC
        place = logits.mean(axis=0, dtype=np.float64) @ self.whitening
        nearest = np.linalg.norm(self.centres - place, axis=1).min()
        return log_distance(nearest)


def log_distance(distance: float) -> float:
    """Return the novelty of what lies so far from known music."""
    return min(float(np.log(max(distance, 1e-3))), _FARTHEST)


def is_nonmusic(weights: NDArray[np.float64], values: NDArray[np.floating[Any]]) -> bool:
    """Tell noise, tones and speech from music by embeddings, or features, of windows.

    weights: (values + 1,), the last a bias. values: (windows, values); it is no music where they
    are NaN.
    """
    odds = values.mean(axis=0, dtype=np.float64) @ weights[:-1] + weights[-1]
    return not odds <= 0
