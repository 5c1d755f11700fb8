"""Estimators of custom models, and their cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from genremodel.custom.custom_model import Estimator, Head
from genremodel.custom.dataset import LabeledDataset
from genremodel.evaluation import Classify, OutOfFold, Tracks, out_of_fold
from genremodel.models.base import WindowProbabilities
from genremodel.models.heads import fit_linear_head, msd_logits
from genremodel.models.knn import KnnClassifier
from genremodel.models.novelty import Novelty, fit_novelty

# Chosen with `benchmarks/custom_genres.py`, which reports the accuracy with fewer and more tracks.
_REGULARIZATION = 0.01
_NEIGHBORS = 10  # K

# Fits a head on some tracks of a dataset, given by their indices.
FitHead: TypeAlias = Callable[[LabeledDataset, NDArray[np.intp]], Head]


def fit_linear(dataset: LabeledDataset, among: NDArray[np.intp]) -> Head:
    """Fit logistic regression on mean logits."""
    logits, genre, weight = dataset.samples(among)
    return fit_linear_head(logits, genre, weight, len(dataset.names), _REGULARIZATION)


def fit_neighbors(dataset: LabeledDataset, among: NDArray[np.intp]) -> Head:
    """Fit K nearest neighbors on mean logits."""
    logits, genre, _ = dataset.samples(among)
    return KnnClassifier(logits, genre, len(dataset.names), _NEIGHBORS)


ESTIMATORS: Mapping[Estimator, FitHead] = {
    "linear": fit_linear,
    "neighbors": fit_neighbors,
}


def fit_dataset_novelty(dataset: LabeledDataset, among: NDArray[np.intp]) -> Novelty:
    """Fit the novelty score on some tracks."""
    logits = msd_logits(dataset.mean_logits[among])
    return fit_novelty(logits, dataset.rarest_genre[among])


def cross_validate(dataset: LabeledDataset, fit: FitHead, prior: Sequence[float]) -> OutOfFold:
    """Return out-of-fold predictions, grouped by artist, in the order of the tracks.

    Raises TrainingError if there are too few tracks, genres or artists.
    """

    def fit_without(artists: NDArray[np.str_]) -> Classify:
        among = np.flatnonzero(~np.isin(dataset.artist, artists))
        head = fit(dataset, among)
        novelty = fit_dataset_novelty(dataset, among)

        def classify(parts: Sequence[NDArray[np.floating[Any]]]) -> list[WindowProbabilities]:
            logits = np.concatenate(parts).astype(np.float64)
            ends = np.cumsum([len(part) for part in parts])[:-1]
            return [
                WindowProbabilities(found, novelty.score(msd_logits(part)))
                for found, part in zip(
                    np.split(head.predict_proba(logits), ends), parts, strict=True
                )
            ]

        return classify

    tracks = Tracks(dataset.logits, dataset.genres, dataset.artist, prior)
    predictions = out_of_fold(tracks, fit_without)
    return predictions[np.argsort(predictions.track, kind="stable")]
