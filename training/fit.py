"""Fit the genre heads on the outputs of the backbones, and the KNN fallback."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import NetworkOutputs
from genremodel.audio.places import evenly_spaced
from genremodel.models.base import WindowProbabilities
from genremodel.models.heads import (
    GenreHeads,
    LinearHead,
    balanced_sample_weight,
    fit_linear_head,
    tag_logits,
)
from genremodel.models.knn import KnnClassifier, predict_features
from genremodel.models.nonmusic import NO_NONMUSIC_DETECTION
from genremodel.models.novelty import Novelty, fit_novelty
from training.hyperparameters import HYPERPARAMETERS, HeadHyperparameters
from training.window_table import WindowTable

# Predicts the windows of a track, (windows, columns), with the genres of the rows fitted on.
PredictProba: TypeAlias = Callable[[NDArray[np.floating[Any]]], WindowProbabilities]
Fit: TypeAlias = Callable[[WindowTable], PredictProba]

_LONG = 3  # windows of a track whose position is reliable
_NEIGHBORS_PER_TRACK = 2  # windows of a track that are used as neighbors
_TRACKS_AT_ONCE = 1000


def fit_heads(
    table: WindowTable,
    nonmusic: NDArray[np.float64] = NO_NONMUSIC_DETECTION,
    hyperparameters: HeadHyperparameters = HYPERPARAMETERS,
) -> GenreHeads:
    """Fit both genre heads and the novelty score.

    table: outputs of the networks. nonmusic: weights from `fit_nonmusic`, by default of none.
    """
    if not hyperparameters.by_artist:
        table = table.with_tracks(group=table.tracks.name)
    outputs = NetworkOutputs.split(table.values)
    some, both = table.fitted_rows(), table.fitted_rows(outputs.by_both)
    activations = outputs.activations[some]
    of_both = np.concatenate([outputs.activations[both], outputs.expert_activations[both]], axis=1)
    return GenreHeads(
        _fit_head(activations, table, some, hyperparameters.msd_c),
        _fit_head(of_both, table, both, hyperparameters.mtt_c),
        _fit_novelty(table),
        nonmusic,
        hyperparameters.mtt_weight,
    )


def fit_head_classifier(
    table: WindowTable, hyperparameters: HeadHyperparameters = HYPERPARAMETERS
) -> PredictProba:
    """Fit the heads and return them as a classifier that detects no non-music."""
    return fit_heads(table, hyperparameters=hyperparameters).predict_proba


def fit_knn_classifier(table: WindowTable, neighbors: int) -> PredictProba:
    """Fit K nearest neighbors that detect no non-music. table: features."""
    genres = table.genres
    known = select_neighbors(table)
    knn = KnnClassifier(known.values, known.genre_index(genres), len(genres), neighbors)
    return partial(predict_features, knn, np.zeros(table.values.shape[1] + 1))


def select_neighbors(table: WindowTable) -> WindowTable:
    """Return the few windows of each track that are used as neighbors.

    With all of them, the genre with the longest files would dominate.
    """
    _, _, members = table.by_track()
    return table[np.concatenate([evenly_spaced(track, _NEIGHBORS_PER_TRACK) for track in members])]


def prior(table: WindowTable) -> list[float]:
    """Return the share of each genre among the tracks, in alphabetical order."""
    genres, _, _ = table.by_track()
    counts = np.unique(genres, return_counts=True)[1]
    return [round(float(share), 4) for share in counts / counts.sum()]


def _fit_head(
    activations: NDArray[np.floating[Any]],
    table: WindowTable,
    rows: NDArray[np.intp],
    c: float,
) -> LinearHead:
    """Fit a head on tag logits, with equal weight for every genre.

    activations: of some rows of the table. c: scikit-learn's C.
    """
    genres = table.genres
    genre = table.genre_index(genres)[rows]
    weight = balanced_sample_weight(
        np.unique(genre, return_inverse=True)[1], table.group_index[rows], table.weight[rows]
    )
    logits = tag_logits(activations).astype(table.precision, copy=False)
    return fit_linear_head(logits, genre, weight, len(genres), c)


def _fit_novelty(table: WindowTable) -> Novelty:
    """Fit the novelty score on tracks that are neither augmented nor short, if possible.

    The position of short tracks is unreliable.
    """
    genre, _, members = table.by_track(table.has_role("song", "train", "valid"))
    genres = table.genres
    places = _mean_logits(NetworkOutputs.split(table.values).activations, members)
    long = np.array([len(track) >= _LONG for track in members])
    if np.isin(genres, genre[long]).all():
        places, genre = places[long], genre[long]
    return fit_novelty(places, np.searchsorted(genres, genre))


def _mean_logits(
    activations: NDArray[np.floating[Any]], members: list[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Return the mean tag logits of each track, (tracks, TAGS), computed for a few at a time.

    The logits of all windows would take more memory than their activations.
    """
    means: list[NDArray[np.float64]] = []
    for start in range(0, len(members), _TRACKS_AT_ONCE):
        tracks = members[start : start + _TRACKS_AT_ONCE]
        logits = tag_logits(activations[np.concatenate(tracks)])
        ends = np.cumsum([len(track) for track in tracks])
        means += [windows.mean(axis=0) for windows in np.split(logits, ends[:-1])]
    return np.stack(means)
