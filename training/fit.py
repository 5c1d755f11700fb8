"""Fit the genre heads on the outputs of the backbones, and the KNN fallback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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


def fit_heads(
    table: WindowTable,
    nonmusic: NDArray[np.float64] = NO_NONMUSIC_DETECTION,
    hyperparameters: HeadHyperparameters = HYPERPARAMETERS,
) -> GenreHeads:
    """Fit both genre heads and the novelty score.

    table: outputs of the networks. nonmusic: weights from `fit_nonmusic`, by default of none.
    """
    if not hyperparameters.by_artist:
        table = replace(table, group=table.track)
    genres = np.unique(table.genre)
    outputs = NetworkOutputs.split(table.values)
    activations, analyzed = outputs.activations, outputs.by_both
    both = np.concatenate([activations, outputs.expert_activations], axis=1)[analyzed]
    return GenreHeads(
        fit_head(activations, table, genres, hyperparameters.msd_c),
        fit_head(both, table[analyzed], genres, hyperparameters.mtt_c),
        _fit_novelty(table, genres),
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
    genres = np.unique(table.genre)
    known = select_neighbors(table)
    genre = np.searchsorted(genres, known.genre)
    knn = KnnClassifier(known.values, genre, len(genres), neighbors)
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


def fit_head(
    activations: NDArray[np.float32],
    table: WindowTable,
    genres: NDArray[np.str_],
    c: float,
) -> LinearHead:
    """Fit a head on tag logits, with equal weight for every genre. c: scikit-learn's C."""
    weight = balanced_sample_weight(
        np.unique(table.genre, return_inverse=True)[1], table.group, table.weight
    )
    genre = np.searchsorted(genres, table.genre)
    return fit_linear_head(tag_logits(activations), genre, weight, len(genres), c)


def _fit_novelty(table: WindowTable, genres: NDArray[np.str_]) -> Novelty:
    """Fit the novelty score on tracks that are neither augmented nor short, if possible.

    The position of short tracks is unreliable.
    """
    tracks = table.with_role("song", "train", "valid")
    genre, _, members = tracks.by_track()
    logits = tag_logits(NetworkOutputs.split(tracks.values).activations)
    places = np.stack([logits[track].mean(axis=0) for track in members])
    long = np.array([len(track) >= _LONG for track in members])
    if np.isin(genres, genre[long]).all():
        places, genre = places[long], genre[long]
    return fit_novelty(places, np.searchsorted(genres, genre))
