"""Fits what judges tracks: the genre heads on the backbones' outputs, and the KNN fallback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from genremodel.analysis import NetworkOutputs
from genremodel.audio.windows import evenly_spaced
from genremodel.models.base import WindowProbabilities
from genremodel.models.heads import (
    GenreHeads,
    LinearHead,
    balanced_sample_weight,
    fit_linear_head,
    tag_logits,
)
from genremodel.models.knn import KnnClassifier, predict_features
from genremodel.models.novelty import NO_NONMUSIC_DETECTION, Novelty, fit_novelty
from training.tables import Rows

# Judges the windows of a track, (windows, columns); the genres are those of the rows fitted on.
WindowClassifier: TypeAlias = Callable[[NDArray[np.floating[Any]]], WindowProbabilities]
Fit: TypeAlias = Callable[[Rows], WindowClassifier]

_LONG = 3  # windows of a track that shows where its genre lies
_NEIGHBOURING = 2  # windows of a track that are neighbours to others


@dataclass(frozen=True)
class Recipe:
    """What a fit of the heads is free in; `training.evaluation.ablation` tells how other values do.

    network, expert: the inverse regularisation of each head, scikit-learn's C. mixing: the weight
    of the expert, see `GenreHeads`. by_artist: rows weigh by artist, see `balanced_sample_weight`.
    """

    network: float = 0.012
    expert: float = 0.03
    mixing: float = 0.5
    by_artist: bool = True


RECIPE = Recipe()


def fit_heads(rows: Rows, nonmusic: NDArray[np.float64], recipe: Recipe = RECIPE) -> GenreHeads:
    """Fit both genre heads, and what is known music to them.

    rows: outputs of the networks. nonmusic: as `Novelty` has it, from `fit_nonmusic`.
    """
    if not recipe.by_artist:
        rows = replace(rows, group=rows.track)
    genres = np.unique(rows.genre)
    activations, _, expert = NetworkOutputs.split(rows.values)
    heard = np.isfinite(expert[:, 0])
    both = np.concatenate([activations, expert], axis=1)[heard]
    return GenreHeads(
        fit_genres(activations, rows, genres, recipe.network),
        fit_genres(both, rows[heard], genres, recipe.expert),
        _fit_novelty(rows, genres, nonmusic),
        recipe.mixing,
    )


def judge_by_heads(
    rows: Rows, nonmusic: NDArray[np.float64] = NO_NONMUSIC_DETECTION, recipe: Recipe = RECIPE
) -> WindowClassifier:
    """Fit the heads and return how they judge."""
    return fit_heads(rows, nonmusic, recipe).predict_proba


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


def judge_by_neighbours(
    rows: Rows, neighbours: int, nonmusic: NDArray[np.float64] | None = None
) -> WindowClassifier:
    """Fit K nearest neighbours. rows: features. nonmusic: from `fit_nonmusic`, if known."""
    genres = np.unique(rows.genre)
    known = neighbouring(rows)
    genre = np.searchsorted(genres, known.genre)
    if nonmusic is None:
        nonmusic = np.zeros(rows.values.shape[1] + 1)
    return partial(
        predict_features, KnnClassifier(known.values, genre, len(genres), neighbours), nonmusic
    )


def neighbouring(rows: Rows) -> Rows:
    """Return the few windows of each track that are to be neighbours.

    With all of them the genre that has the longest files would surround every other.
    """
    _, _, members = rows.by_track()
    return rows[np.concatenate([evenly_spaced(track, _NEIGHBOURING) for track in members])]


def prior(rows: Rows) -> list[float]:
    """Return each genre's share of the tracks, genres in alphabetical order."""
    genres, _, _ = rows.by_track()
    counts = np.unique(genres, return_counts=True)[1]
    return [round(float(share), 4) for share in counts / counts.sum()]


def fit_genres(
    activations: NDArray[np.float32], rows: Rows, genres: NDArray[np.str_], regularisation: float
) -> LinearHead:
    """Fit a head on the tag logits of rows, every genre weighing the same."""
    weight = balanced_sample_weight(
        np.unique(rows.genre, return_inverse=True)[1], rows.group, rows.weight
    )
    genre = np.searchsorted(genres, rows.genre)
    return fit_linear_head(tag_logits(activations), genre, weight, len(genres), regularisation)


def _fit_novelty(rows: Rows, genres: NDArray[np.str_], nonmusic: NDArray[np.float64]) -> Novelty:
    """Fit where the tracks of each genre lie.

    Altered ones do not count, nor short ones, which lie anywhere.
    """
    tracks = rows.of("song", "train", "valid")
    genre, _, members = tracks.by_track()
    logits = tag_logits(NetworkOutputs.split(tracks.values).activations)
    places = np.stack([logits[track].mean(axis=0) for track in members])
    long = np.array([len(track) >= _LONG for track in members])
    if np.isin(genres, genre[long]).all():
        places, genre = places[long], genre[long]
    return fit_novelty(places, np.searchsorted(genres, genre), nonmusic)
