"""Linear discriminant analysis (LDA): the directions in which genres differ most."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHRINKAGE = 0.3  # of the covariances, see `_covariance`: many features, few tracks


def lda_projection(
    features: NDArray[np.floating[Any]], genre: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Return the matrix that projects features onto the discriminant directions.

    The covariance within genres becomes the unit matrix, up to the shrinkage. This is
    scikit-learn's `LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.3)` after
    `StandardScaler`.

    Parameters
    ----------
    features : (samples, features)
        The training data.
    genre : (samples,)
        Of each sample.

    Returns
    -------
    (features, directions)
        One direction fewer than genres, at most one per feature.

    Raises
    ------
    ValueError
        If there are fewer than two genres.
    numpy.linalg.LinAlgError
        If the samples of each genre are all the same.

    Examples
    --------
    >>> features = np.array([[0.0, 5.0], [2.0, 7.0], [8.0, 5.0], [10.0, 7.0]])
    >>> projected = features @ lda_projection(features, np.array([0, 0, 1, 1]))
    >>> distances = np.abs(projected - projected[0])[:, 0]
    >>> distances.argsort().tolist()
    [0, 1, 2, 3]
    """
    members = [genre == one for one in np.unique(genre)]
    if len(members) < 2:
        raise ValueError("there are fewer than two genres")
    mean, scale = features.mean(axis=0), features.std(axis=0)
    # That of a constant is not exactly 0.
    scale[scale <= len(features) * np.finfo(float).eps * np.abs(mean)] = 1.0
    standardized = (features - mean) / scale
    within = sum(chosen.mean() * _covariance(standardized[chosen]) for chosen in members)
    between = _covariance(standardized) - within
    whitening = np.linalg.inv(np.linalg.cholesky(within))
    _, directions = np.linalg.eigh(whitening @ between @ whitening.T)  # the best one is the last
    count = min(len(members) - 1, len(scale))
    projection: NDArray[np.float64] = whitening.T @ directions[:, -count:]
    return projection / scale[:, np.newaxis]


def _covariance(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a covariance matrix, shrunk towards a multiple of the unit matrix."""
    centered = samples - samples.mean(axis=0)
    covariance: NDArray[np.float64] = centered.T @ centered / len(samples)
    variance = np.trace(covariance) / len(covariance)
    return (1 - _SHRINKAGE) * covariance + _SHRINKAGE * variance * np.eye(len(covariance))
