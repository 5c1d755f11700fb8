"""Fits what judges tracks: the genre heads on the backbones' outputs, and the KNN fallback."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from genremodel.backends import judge_features
from genremodel.constants import ACTIVATIONS, EXPERT_START
from genremodel.fitting import balanced, fit_linear, fit_novelty
from genremodel.head import Heads, Judgement, LinearHead, tag_logits
from genremodel.neighbours import Neighbours
from genremodel.novelty import ALL_IS_MUSIC, Novelty
from training.rows import Rows

# Judges the windows of a track, (windows, columns); the genres are those of the rows fitted on.
Judge: TypeAlias = Callable[[NDArray[np.floating[Any]]], Judgement]
Fit: TypeAlias = Callable[[Rows], Judge]

# Inverse regularisation of the heads and the weight of the expert, chosen by artist-grouped
# cross-validation on whole songs (the first) and on all files (the others).
NETWORK_REGULARISATION = 0.012
_EXPERT_REGULARISATION = 0.03
_EXPERT_WEIGHT = 0.5
_LONG = 3  # windows of a track that shows where its genre lies


def fit_heads(rows: Rows, nonmusic: NDArray[np.float64]) -> Heads:
    """Fit both genre heads, and what is known music to them.

    rows: outputs of the networks. nonmusic: as `Novelty` has it, from `fit_nonmusic`.
    """
    genres = np.unique(rows.genre)
    activations = rows.values[:, :ACTIVATIONS]
    expert = rows.values[:, EXPERT_START:]
    heard = np.isfinite(expert[:, 0])
    both = np.concatenate([activations, expert], axis=1)[heard]
    return Heads(
        fit_genres(activations, rows, genres, NETWORK_REGULARISATION),
        fit_genres(both, rows[heard], genres, _EXPERT_REGULARISATION),
        _fit_novelty(rows, genres, nonmusic),
        _EXPERT_WEIGHT,
    )


def judge_by_heads(rows: Rows) -> Judge:
    """Fit the heads and return how they judge."""
    return fit_heads(rows, ALL_IS_MUSIC).judge


def fit_nonmusic(
    music: NDArray[np.floating[Any]], sounds: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Fit what tells sounds from music: weights and a bias, (values + 1,), see `is_nonmusic`.

    music, sounds: (windows, values) embeddings, or features, of files and of `nonmusic`.
    """
    values = np.concatenate([music, sounds])
    is_sound = np.arange(len(values)) >= len(music)
    scaler = StandardScaler().fit(values)
    regression = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    regression.fit(scaler.transform(values), is_sound)
    weight = regression.coef_[0] / scaler.scale_
    return np.append(weight, regression.intercept_[0] - scaler.mean_ @ weight)


def judge_by_neighbours(rows: Rows, neighbours: int) -> Judge:
    """Fit K nearest neighbours. rows: features."""
    genres, genre = np.unique(rows.genre, return_inverse=True)
    known = Neighbours(rows.values, genre, len(genres), neighbours)
    return partial(judge_features, known, np.zeros(rows.values.shape[1] + 1))


def prior(rows: Rows) -> list[float]:
    """Return each genre's share of the tracks, genres in alphabetical order."""
    genres, _, _ = rows.by_track()
    counts = np.unique(genres, return_counts=True)[1]
    return [round(float(share), 4) for share in counts / counts.sum()]


def fit_genres(
    activations: NDArray[np.float32], rows: Rows, genres: NDArray[np.str_], regularisation: float
) -> LinearHead:
    """Fit a head on the tag logits of rows, every genre weighing the same."""
    weight = balanced(np.unique(rows.genre, return_inverse=True)[1], rows.group, rows.weight)
    genre = np.searchsorted(genres, rows.genre)
    return fit_linear(tag_logits(activations), genre, weight, len(genres), regularisation)


def _fit_novelty(rows: Rows, genres: NDArray[np.str_], nonmusic: NDArray[np.float64]) -> Novelty:
    """Fit where the tracks of each genre lie.

    Altered ones do not count, nor short ones, which lie anywhere.
    """
    tracks = rows.of("song", "train", "valid")
    genre, _, members = tracks.by_track()
    logits = tag_logits(tracks.values[:, :ACTIVATIONS])
    places = np.stack([logits[track].mean(axis=0) for track in members])
    long = np.array([len(track) >= _LONG for track in members])
    if np.isin(genres, genre[long]).all():
        places, genre = places[long], genre[long]
    return fit_novelty(places, np.searchsorted(genres, genre), nonmusic)
