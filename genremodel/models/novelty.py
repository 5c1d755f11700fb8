"""Out-of-distribution score: log Mahalanobis distance to the nearest genre centroid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE

NONMUSIC_NOVELTY = 6.0  # the novelty of a track that is detected as non-music
_MAX_MUSIC_NOVELTY = 5.0  # genres left out of training stay far below it
_MIN_DISTANCE = 1e-3  # keeps the logarithm finite
_MIN_VARIANCE = 1e-6  # copies of one track have none

# Weights with which `is_nonmusic` is False for all finite embeddings.
NO_NONMUSIC_DETECTION = np.zeros(EMBEDDING_SIZE + 1)


@dataclass(frozen=True)
class Novelty:
    """Distance to the centroids of the training genres, with one covariance for all genres.

    ``log(min over genres of ||(mean logits - centroid) W||)``, where W is a Cholesky factor of the
    inverse covariance, so that the norm is the Mahalanobis distance. Tracks that a logistic
    regression detects as non-music have `NONMUSIC_NOVELTY` instead.

    Parameters
    ----------
    centroids : (genres, TAGS)
        Centroids of the tag logits, whitened.
    whitening : (TAGS, TAGS)
        The factor W.
    nonmusic : (EMBEDDING_SIZE + 1,)
        Weights for embeddings, the last one a bias, see `is_nonmusic`.

    References
    ----------
    Lee, Lee, Lee and Shin, "A simple unified framework for detecting out-of-distribution samples
    and adversarial attacks", NeurIPS 2018.

    Examples
    --------
    >>> novelty = Novelty(np.zeros((1, 50)), np.eye(50), NO_NONMUSIC_DETECTION)
    >>> round(novelty.score(np.ones((3, 50)), np.zeros((3, 200))), 2)  # log(sqrt(50))
    1.96
    """

    centroids: NDArray[np.float64]
    whitening: NDArray[np.float64]
    nonmusic: NDArray[np.float64]

    def score(
        self, logits: NDArray[np.floating[Any]], embeddings: NDArray[np.floating[Any]]
    ) -> float:
        """Return the novelty of a track.

        Parameters
        ----------
        logits : (windows, TAGS)
            Tag logits of MSD-musicnn, at least one window.
        embeddings : (windows, EMBEDDING_SIZE)
            If they are unknown, (windows, 0) or all NaN, the track is taken for music.
        """
        known = not np.isnan(embeddings).all()
        if known and is_nonmusic(self.nonmusic, embeddings):
            return NONMUSIC_NOVELTY
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


def is_nonmusic(weights: NDArray[np.float64], values: NDArray[np.floating[Any]]) -> bool:
    """Return True if ``mean(values) @ weights[:-1] + weights[-1] > 0``: for noise, tones, speech.

    Parameters
    ----------
    weights : (columns + 1,)
        A logistic regression, the last weight is the bias.
    values : (windows, columns)
        Embeddings or features. True if any is NaN.

    Examples
    --------
    >>> is_nonmusic(np.array([1.0, -0.5]), np.array([[0.6], [0.8]]))
    True
    """
    odds = values.mean(axis=0, dtype=np.float64) @ weights[:-1] + weights[-1]
    return not odds <= 0


def fit_novelty(
    mean_logits: NDArray[np.floating[Any]],
    genre: NDArray[np.integer[Any]],
    nonmusic: NDArray[np.float64],
) -> Novelty:
    """Fit centroids and a shrunk covariance (Ledoit-Wolf). Needs scikit-learn.

    Parameters
    ----------
    mean_logits : (tracks, TAGS)
        Tag logits of MSD-musicnn averaged over the windows of each track, at least two tracks.
    genre : (tracks,)
        Indices. Genres without tracks have no centroid.
    nonmusic : (EMBEDDING_SIZE + 1,)
        Weights for `is_nonmusic`.
    """
    from sklearn.covariance import LedoitWolf

    present, genre = np.unique(genre, return_inverse=True)
    centroids = np.stack(
        [mean_logits[genre == index].mean(axis=0) for index in range(len(present))]
    )
    covariance = LedoitWolf(assume_centered=True).fit(mean_logits - centroids[genre]).covariance_
    regularized = covariance + _MIN_VARIANCE * np.eye(len(covariance))
    whitening = np.linalg.cholesky(np.linalg.inv(regularized))
    return Novelty(centroids @ whitening, whitening, nonmusic)
