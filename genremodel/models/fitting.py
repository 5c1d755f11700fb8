"""Fits the parts of a model of genres; needs scikit-learn, which classifying does not.

Shared by `training`, which fits the bundled model, and by `learning`, which fits a user's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from genremodel.models.heads import LinearHead
from genremodel.models.novelty import Novelty

_LEAST = 1e-6  # variance: copies of one track have none


def balanced_sample_weight(
    genre: NDArray[np.integer[Any]],
    artist: NDArray[Any],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return weights of rows under which every genre counts the same, with a mean of 1.

    Before that, an artist with four times as many rows counts twice as much: between all rows being
    equal, where one artist is half of a genre, and all artists.
    genre: (rows,) indices. artist: (rows,). weight: (rows,) how much each counts before that.
    """
    _, owner, rows = np.unique(artist, return_inverse=True, return_counts=True)
    weight = weight / np.sqrt(rows[owner])
    weight /= np.bincount(genre, weight)[genre]
    scaled: NDArray[np.float64] = weight * len(weight) / weight.sum()
    return scaled


def fit_linear(
    logits: NDArray[np.floating[Any]],
    genre: NDArray[np.integer[Any]],
    weight: NDArray[np.float64],
    genres: int,
    regularisation: float,
) -> LinearHead:
    """Fit logistic regression on standardised tag logits.

    logits: (rows, logits). genre: (rows,) indices below `genres`; two of them at least occur.
    regularisation: its inverse, scikit-learn's C.
    """
    scaler = StandardScaler().fit(logits)
    regression = LogisticRegression(C=regularisation, tol=1e-3, max_iter=1000)
    regression.fit(scaler.transform(logits), genre, sample_weight=weight)
    coefficients, intercepts = regression.coef_, regression.intercept_
    known = regression.classes_
    if len(known) == 2:  # scikit-learn keeps one row: the second's lead on the first
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weights = np.zeros((logits.shape[1], genres))
    bias = np.full(genres, intercepts.min() - 1)  # of a genre that none of the rows has
    weights[:, known] = coefficients.T / scaler.scale_[:, np.newaxis]  # the scaling, folded in
    bias[known] = intercepts - scaler.mean_ @ weights[:, known]
    return LinearHead(weights, bias)


def fit_novelty(
    places: NDArray[np.floating[Any]],
    genre: NDArray[np.integer[Any]],
    nonmusic: NDArray[np.float64],
) -> Novelty:
    """Fit where the tracks of each genre lie.

    places: (tracks, TAGS), the mean tag logits of each, two at least. genre: (tracks,)
    indices; each of those that there are is a centre. nonmusic: as `Novelty` has it.
    """
    present, genre = np.unique(genre, return_inverse=True)
    centres = np.stack([places[genre == index].mean(axis=0) for index in range(len(present))])
    covariance = LedoitWolf(assume_centered=True).fit(places - centres[genre]).covariance_
    whitening = np.linalg.cholesky(np.linalg.inv(covariance + _LEAST * np.eye(len(covariance))))
    return Novelty(centres @ whitening, whitening, nonmusic)
