"""Out-of-fold predictions of window tables, by `genremodel.evaluation`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from genremodel import evaluation
from genremodel.audio.places import DEFAULT_WINDOWS, evenly_spaced
from genremodel.evaluation import Classify, OutOfFold, Scores, Tracks
from genremodel.models.base import WindowProbabilities
from genremodel.prediction import DecisionParams
from training.fit import Fit, PredictProba
from training.window_table import WindowTable


def out_of_fold(
    table: WindowTable,
    fit: Fit,
    params: DecisionParams,
    *,
    seed: int,
    scored: NDArray[np.bool_],
) -> OutOfFold:
    """Return predictions of tracks by models that were not fitted on their artists.

    scored: (rows,) True for the tracks that the folds consist of; the others are only fitted on,
    except those of held-out artists.
    """

    def fit_without(artists: NDArray[np.str_]) -> Classify:
        known = table[~table.in_group(artists)]
        has = np.isin(params.genres, known.genres)
        return _each(fit(known), has)

    return evaluation.out_of_fold(_tracks(table[scored], params), fit_without, seed=seed)


def predict_tracks(
    table: WindowTable, classifier: PredictProba, params: DecisionParams
) -> OutOfFold:
    """Return predictions of tracks by one model, all of whose genres are those of `params`."""
    classify = _each(classifier, np.ones(len(params.genres), np.bool_))
    return evaluation.predict_tracks(_tracks(table, params), classify)


def calibrated_scores(predictions: OutOfFold, params: DecisionParams) -> Scores:
    """Return the scores of predictions by the calibration and threshold of `params`."""
    return predictions.scores(predictions.calibrated(params.calibration), params.min_confidence)


def recalibrated(params: DecisionParams, predictions: OutOfFold) -> DecisionParams:
    """Return the params with the calibration fitted on predictions."""
    return replace(params, calibration=predictions.calibration())


def _tracks(table: WindowTable, params: DecisionParams) -> Tracks:
    """Return the tracks of a table."""
    genre, artist, members = table.by_track()
    windows = [table.values[evenly_spaced(track, DEFAULT_WINDOWS)] for track in members]
    return Tracks(windows, genre[:, np.newaxis] == np.array(params.genres), artist, params.prior)


def _each(classifier: PredictProba, has: NDArray[np.bool_]) -> Classify:
    """Apply a classifier track by track. has: (genres,) False for genres that it does not have."""

    def widened(found: WindowProbabilities) -> WindowProbabilities:
        probabilities = np.zeros((len(found.probabilities), len(has)))
        probabilities[:, has] = found.probabilities
        return WindowProbabilities(probabilities, found.novelty)

    return lambda parts: [widened(classifier(part)) for part in parts]
