"""Metrics of the bundled models on unseen artists."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.calibration import WINDOW_COUNTS
from genremodel.evaluation import Metrics, OutOfFold, Scores
from genremodel.models import bundled
from genremodel.models.knn import KnnBackend
from genremodel.models.musicnn import CnnBackend
from genremodel.prediction import DecisionParams
from training.corpus import Corpus
from training.datasets import gtzan_taggrams
from training.evaluation.album_scopes import measure_albums
from training.evaluation.cross_validation import (
    calibrated_scores,
    out_of_fold,
    predict_tracks,
    recalibrated,
)
from training.evaluation.metrics import details, intervals
from training.evaluation.ood import left_out_genres
from training.evaluation.thresholds import THRESHOLDS, by_threshold, outcomes
from training.fit import Fit, fit_head_classifier, fit_knn_classifier, prior
from training.methods import Networks
from training.window_table import Role, WindowTable

_MANY = 3  # genres; with fewer, none can be left out


def evaluate(corpus: Corpus, seeds: int) -> dict[str, Any]:
    """Return the metrics of both bundled models, fitted again on the genres of the corpus."""
    cnn, knn = CnnBackend(), KnnBackend()
    networks = Networks.in_folder(bundled.FOLDER)
    outputs, features = corpus.outputs(networks), corpus.features(knn.groups)
    genres = tuple(outputs.genres.tolist())
    shares = tuple(prior(outputs.with_role("song", "train", "valid")))
    cnn_params, knn_params = (
        replace(backend.params, genres=genres, prior=shares) for backend in (cnn, knn)
    )
    figures = measure(outputs, fit_head_classifier, cnn_params, seeds)
    if corpus.emotify:
        figures["albums"] = measure_albums(
            corpus, networks, outputs, fit_head_classifier, cnn_params, seeds
        )
    return {
        cnn_params.model: figures,
        knn_params.model: measure(
            features, lambda table: fit_knn_classifier(table, knn.neighbors), knn_params, seeds
        ),
    }


def evaluate_activations(path: Path) -> dict[str, Any]:
    """Return the metrics of the bundled genre head on stored backbone outputs. Raises DataError."""
    cnn = CnnBackend()
    predictions = predict_tracks(gtzan_taggrams.read(path), cnn.predict_proba, cnn.params)
    return Metrics.from_scores(calibrated_scores(predictions, cnn.params)).rounded()


def measure(table: WindowTable, fit: Fit, params: DecisionParams, seeds: int) -> dict[str, Any]:
    """Return all figures of a model for `model.json`.

    "songs", "files": metrics by cross-validation grouped by artist, means over seeds; `details` of
    the first. Their "by_windows": the number of windows, of tracks with so many, the accuracy and
    the calibration error. Their "by_threshold", of tracks with all ten windows, and
    "left_out_genres": see the functions. "valid": the validation files by a model fitted without
    them.
    """
    protocols = _protocols(table)
    basis = next(iter(protocols))
    runs = {
        name: [out_of_fold(table, fit, params, seed=seed, scored=scored) for seed in range(seeds)]
        for name, scored in protocols.items()
    }
    figures: dict[str, Any] = {}
    for name, predictions in runs.items():
        pairs = [*zip(predictions, runs[basis], strict=True)]
        scores = [_scores(run[run.all_windows], known, params) for run, known in pairs]
        figures[name] = {
            **_summary(scores, params.genres),
            "by_windows": [_by_windows(count, pairs, params) for count in WINDOW_COUNTS],
            "by_threshold": _by_threshold(pairs),
        }
    if len(params.genres) > _MANY:
        for name, left_out in left_out_genres(table, fit, params, protocols, basis).items():
            figures[name]["left_out_genres"] = left_out
    valid = validate(table, fit, params)
    figures["valid"] = {
        **Metrics.from_scores(valid).rounded(),
        "intervals": intervals([valid]),
        **details(valid, params.genres),
    }
    return figures


def calibrated(params: DecisionParams, table: WindowTable, fit: Fit) -> DecisionParams:
    """Return the params with the calibration fitted on out-of-fold predictions."""
    basis = next(iter(_protocols(table).values()))
    return recalibrated(params, out_of_fold(table, fit, params, seed=0, scored=basis))


def accuracy(
    table: WindowTable, fit: Fit, params: DecisionParams, seed: int, role: Role = "train"
) -> float:
    """Return the accuracy on tracks of a role in one cross-validation grouped by artist."""
    predictions = out_of_fold(table, fit, params, seed=seed, scored=table.has_role(role))
    return float(predictions.correct[predictions.all_windows].mean())


def validate(table: WindowTable, fit: Fit, params: DecisionParams) -> Scores:
    """Score the validation files by a model and a calibration fitted without them."""
    valid = table.with_role("valid")
    others = table[~table.in_group(valid.groups)]
    return calibrated_scores(
        predict_tracks(valid, fit(others), params), calibrated(params, others, fit)
    )


def _protocols(table: WindowTable) -> dict[str, NDArray[np.bool_]]:
    """Return the rows that are scored, by name; calibrations are fitted on the first.

    There are hundreds of whole songs, with all their windows; files are few and mostly short.
    """
    protocols = {"songs": table.has_role("song"), "files": table.has_role("train", "valid")}
    return {name: scored for name, scored in protocols.items() if scored.any()}


def _scores(predictions: OutOfFold, known: OutOfFold, params: DecisionParams) -> Scores:
    return predictions.scores(predictions.confidence(known), params.min_confidence)


def _by_windows(
    count: int, runs: list[tuple[OutOfFold, OutOfFold]], params: DecisionParams
) -> tuple[int, int, float, float]:
    """Return figures of predictions by so many windows, see `measure`.

    runs: the predictions, and those that calibrations are fitted on.
    """
    figures = []
    for predictions, known in runs:
        chosen = predictions[predictions.windows == count]
        if not len(chosen):
            return count, 0, 0.0, 0.0
        figures.append(Metrics.from_scores(_scores(chosen, known, params)))
    means = np.mean([(one.accuracy, one.ece) for one in figures], axis=0).round(4)
    return count, figures[0].tracks, *means.tolist()


def _by_threshold(runs: list[tuple[OutOfFold, OutOfFold]]) -> dict[str, Any] | None:
    """Return figures of predictions by all ten windows; None if no track has so many.

    runs: see `_by_windows`.
    """
    long = [(run[run.windows == DEFAULT_WINDOWS], known) for run, known in runs]
    if not len(long[0][0]):
        return None
    confident = [(run, run.confidence(known)) for run, known in long]
    return by_threshold(
        [
            [outcomes(run.artist, confidence, run.correct, t) for run, confidence in confident]
            for t in THRESHOLDS
        ]
    )


def _summary(runs: list[Scores], genres: tuple[str, ...]) -> dict[str, Any]:
    """Return the means of the runs' metrics, their intervals, and details of the first."""
    metrics = [asdict(Metrics.from_scores(run)) for run in runs]
    means = {name: _mean([run[name] for run in metrics]) for name in metrics[0]}
    means["tracks"] = len(runs[0])
    return {
        **means,
        "seeds": len(runs),
        "intervals": intervals(runs),
        **details(runs[0], genres),
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None
