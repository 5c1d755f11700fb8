"""Out-of-distribution score: log Mahalanobis distance to the nearest genre centroid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NONMUSIC_NOVELTY = 6.0  # the novelty of a track that is detected as non-music
_MAX_MUSIC_NOVELTY = 5.0  # genres left out of training stay far below it
_MIN_DISTANCE = 1e-3  # keeps the logarithm finite
_MIN_VARIANCE = 1e-6  # copies of one track have none


@dataclass(frozen=True)
class Novelty:
    """Distance to the centroids of the training genres, with one covariance for all genres.

    ``log(min over genres of ||(mean logits - centroid) W||)``, where W is a Cholesky factor of the
    inverse covariance, so that the norm is the Mahalanobis distance. Non-music has
    `NONMUSIC_NOVELTY` instead, see `is_nonmusic`.

    Parameters
    ----------
    centroids : (genres, TAGS)
        Centroids of the tag logits, whitened.
    whitening : (TAGS, TAGS)
        The factor W.

    References
    ----------
    Lee, Lee, Lee and Shin, "A simple unified framework for detecting out-of-distribution samples
    and adversarial attacks", NeurIPS 2018.

    Examples
    --------
    >>> novelty = Novelty(np.zeros((1, 50)), np.eye(50))
    >>> round(novelty.score(np.ones((3, 50))), 2)  # log(sqrt(50))
    1.96
    """

    centroids: NDArray[np.float64]
    whitening: NDArray[np.float64]

    def score(self, logits: NDArray[np.floating[Any]]) -> float:
        """Return the novelty of a track that is music.

        Parameters
        ----------
        logits : (windows, TAGS)
            Tag logits of MSD-musicnn, at least one window.
        """
        mean = logits.mean(axis=0, dtype=np.float64) @ self.whitening
        return log_distance(float(np.linalg.norm(self.centroids - mean, axis=1).min()))


def log_distance(distance: float) -> float:
    """Return the logarithm of a distance to the training data, less than `NONMUSIC_NOVELTY`.

    Examples
    --------
    >>> log_distance(1.0), log_distance(1e9)
    (0.0, 5.0)
    """
    return min(float(np.log(max(distance, _MIN_DISTANCE))), _MAX_MUSIC_NOVELTY)


def fit_novelty(mean_logits: NDArray[np.floating[Any]], genre: NDArray[np.integer[Any]]) -> Novelty:
    """Fit centroids and a shrunk covariance (Ledoit-Wolf). Needs scikit-learn.

    Parameters
    ----------
    mean_logits : (tracks, TAGS)
        Tag logits of MSD-musicnn averaged over the windows of each track, at least two tracks.
    genre : (tracks,)
        Indices. Genres without tracks have no centroid.
    """
    from sklearn.covariance import LedoitWolf

    present, genre = np.unique(genre, return_inverse=True)
    centroids = np.stack(
        [mean_logits[genre == index].mean(axis=0) for index in range(len(present))]
    )
    covariance = LedoitWolf(assume_centered=True).fit(mean_logits - centroids[genre]).covariance_
    regularized = covariance + _MIN_VARIANCE * np.eye(len(covariance))
    whitening = np.linalg.cholesky(np.linalg.inv(regularized))
    return Novelty(centroids @ whitening, whitening)
