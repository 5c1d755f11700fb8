"""Fits what stands on top of the backbone: the genre head, the KNN fallback, their calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from genremodel.backends import fit_neighbours
from genremodel.decision import temper
from genremodel.head import LinearHead, tag_logits
from training.rows import Rows

Probabilities: TypeAlias = NDArray[np.float64]
Classify: TypeAlias = Callable[[NDArray[np.float32]], Probabilities]
Fit: TypeAlias = Callable[[Rows], Classify]

# Chosen, with the range of the logits and the weight of Emotify, by a random search over 0.003 to
# 0.3, for accuracy on the valid files and in artist-grouped cross-validation.
_INVERSE_REGULARISATION = 0.012


def fit_head(rows: Rows) -> LinearHead:
    """Fit logistic regression on standardised tag logits, every genre weighing the same.

    rows: activations. The genres are numbered in alphabetical order.
    """
    logits = tag_logits(rows.values)
    scaler = StandardScaler().fit(logits)
    regression = LogisticRegression(C=_INVERSE_REGULARISATION, tol=1e-3, max_iter=1000)
    regression.fit(scaler.transform(logits), rows.genre, sample_weight=_balanced(rows))
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:  # scikit-learn keeps one row: the second's lead on the first
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weight = coefficients.T / scaler.scale_[:, np.newaxis]  # the scaling, folded in
    return LinearHead(weight, intercepts - scaler.mean_ @ weight)


def _balanced(rows: Rows) -> NDArray[np.float64]:
    """Return weights under which every genre counts the same, with a mean of 1."""
    genre = np.unique(rows.genre, return_inverse=True)[1]
    total = np.bincount(genre, rows.weight)
    weight: NDArray[np.float64] = rows.weight / total[genre]
    return weight * len(rows) / weight.sum()


def fit_head_classifier(rows: Rows) -> Classify:
    """Fit the genre head and return how it classifies activations."""
    return fit_head(rows).predict_proba


def fit_knn(rows: Rows, neighbours: int) -> Classify:
    """Fit K nearest neighbours. rows: features. Genres in alphabetical order."""
    genre = np.unique(rows.genre, return_inverse=True)[1]
    return fit_neighbours(rows.values, genre, min(neighbours, len(rows)))


def prior(rows: Rows) -> list[float]:
    """Return each genre's share of the tracks, genres in alphabetical order."""
    genres, _, _ = rows.by_track()
    counts = np.unique(genres, return_counts=True)[1]
    return [round(float(share), 4) for share in counts / counts.sum()]


def out_of_fold(rows: Rows, fit: Fit, *, seed: int, scored: NDArray[np.bool_]) -> Probabilities:
    """Return the probabilities of rows by models that never heard their artist.

    Five folds, grouped by artist and stratified by genre. scored: (rows,) the tracks that folds
    are made of; others only help to fit, save those of an artist in the fold that is left out.
    Returns (scored rows, genres).
    """
    genres, groups, members = rows[scored].by_track()
    index = np.flatnonzero(scored)
    names = np.unique(rows.genre)
    probabilities = np.zeros((len(index), len(names)))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for _, held_out in folds.split(genres, genres, groups):
        artists = np.unique(groups[held_out])
        others = rows[~np.isin(rows.group, artists)]
        known = np.isin(names, others.genre)  # few artists may leave a fold without a genre
        own = np.concatenate([members[track] for track in held_out])
        probabilities[np.ix_(own, known)] = fit(others)(rows.values[index[own]])
    return probabilities


def fit_temperature(
    rows: Rows, probabilities: Probabilities, genres: Sequence[str]
) -> tuple[float, float]:
    """Return the temperature and evidence under which the tracks' own genres are likeliest.

    probabilities: (rows, genres), the genres in the order of `genres`. See `decision.Rules`.
    """
    names, _, members = rows.by_track()
    genre = np.searchsorted(genres, names)
    means = np.stack([probabilities[track].mean(axis=0) for track in members])
    windows = np.array([[len(track)] for track in members])

    def loss(parameters: NDArray[np.float64]) -> float:
        log_temperature, evidence = parameters
        tempered = temper(means, np.exp(log_temperature) / windows**evidence)
        return float(-np.log(tempered[np.arange(len(genre)), genre]).mean())

    best = minimize(loss, [0.0, 0.0], method="Nelder-Mead").x
    return round(float(np.exp(best[0])), 3), round(float(best[1]), 3)
