"""How good a recipe is on artists that it never heard."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.calibration import WINDOW_COUNTS
from genremodel.models.knn import KnnBackend
from genremodel.models.musicnn import CnnBackend
from genremodel.prediction import DecisionParams
from training.corpus import Collection
from training.datasets import gtzan_taggrams
from training.evaluation.calibration import Verdict, judged, out_of_fold, recalibrated, whole
from training.evaluation.metrics import Figures, Scores, details, intervals, score, score_unheard
from training.evaluation.ood import unheard_genres
from training.fit import Fit, judge_by_heads, judge_by_neighbours
from training.tables import Role, Rows

_MANY = 3  # genres; with fewer nothing is left to tell apart where one is left out


def evaluate(collection: Collection, seeds: int) -> dict[str, Any]:
    """Measure the recipes of both bundled models."""
    cnn, knn = CnnBackend(), KnnBackend()
    outputs, features = collection.outputs(cnn.networks), collection.features(knn.groups)
    return {
        cnn.params.model: measure(outputs, judge_by_heads, cnn.params, seeds),
        knn.params.model: measure(
            features, lambda rows: judge_by_neighbours(rows, knn.neighbors), knn.params, seeds
        ),
    }


def evaluate_activations(path: Path) -> dict[str, Any]:
    """Score the bundled genre head on stored backbone outputs. Raises DataError."""
    cnn = CnnBackend()
    return Figures.of(
        score(judged(gtzan_taggrams.read(path), cnn.predict_proba), cnn.params)
    ).rounded()


def measure(rows: Rows, fit: Fit, rules: DecisionParams, seeds: int) -> dict[str, Any]:
    """Return all figures of a recipe.

    songs, files: by cross-validation grouped by artist, the means over seeds; of the first,
    `details`. by_windows: how many windows were heard, of how many tracks, the accuracy and the
    calibration error. unheard_genres: each genre left out of training in turn.
    valid: the validation files by a fit without them.
    """
    protocols = _protocols(rows)
    basis = next(iter(protocols))
    runs = {
        name: [out_of_fold(rows, fit, seed=seed, scored=scored) for seed in range(seeds)]
        for name, scored in protocols.items()
    }
    figures: dict[str, Any] = {}
    for name, said in runs.items():
        pairs = [*zip(said, runs[basis], strict=True)]
        scores = [score_unheard(whole(run), known, rules) for run, known in pairs]
        figures[name] = {
            **_summary(scores, rules.genres),
            "by_windows": [_by_windows(count, pairs, rules) for count in WINDOW_COUNTS],
        }
    if len(rules.genres) > _MANY:
        for name, unheard in unheard_genres(rows, fit, rules, protocols, basis).items():
            figures[name]["unheard_genres"] = unheard
    valid = validate(rows, fit, rules)
    figures["valid"] = {
        **Figures.of(valid).rounded(),
        "intervals": intervals([valid]),
        **details(valid, rules.genres),
    }
    return figures


def calibrated(rules: DecisionParams, rows: Rows, fit: Fit) -> DecisionParams:
    """Return the rules with the calibration that fits what is said across artists."""
    basis = next(iter(_protocols(rows).values()))
    return recalibrated(rules, out_of_fold(rows, fit, seed=0, scored=basis))


def accuracy(rows: Rows, fit: Fit, rules: DecisionParams, seed: int, role: Role = "train") -> float:
    """Return the accuracy on tracks of a role in one cross-validation grouped by artist."""
    verdicts = out_of_fold(rows, fit, seed=seed, scored=rows.are(role))
    return float(score(whole(verdicts), rules).right.mean())


def validate(rows: Rows, fit: Fit, rules: DecisionParams) -> Scores:
    """Score the validation files by a fit and a calibration without them."""
    valid = rows.of("valid")
    others = rows[~np.isin(rows.group, valid.group)]
    return score(judged(valid, fit(others)), calibrated(rules, others, fit))


def _protocols(rows: Rows) -> dict[str, NDArray[np.bool_]]:
    """Return which rows are scored, by name; calibrations are fitted on the first.

    Of whole songs there are hundreds, and all their windows; files are few and mostly short.
    """
    protocols = {"songs": rows.are("song"), "files": rows.are("train", "valid")}
    return {name: scored for name, scored in protocols.items() if scored.any()}


def _by_windows(
    count: int, runs: list[tuple[list[Verdict], list[Verdict]]], rules: DecisionParams
) -> tuple[int, int, float, float]:
    """Return figures of tracks that have so many windows, by as many, see `measure`.

    runs: what is scored, and what calibrations are fitted on.
    """
    figures = []
    for verdicts, known in runs:
        heard = [v for v in verdicts if len(v.judgement.probabilities) == count]
        if not heard:
            return count, 0, 0.0, 0.0
        figures.append(Figures.of(score_unheard(heard, known, rules)))
    means = np.mean([(one.accuracy, one.ece) for one in figures], axis=0).round(4)
    return count, figures[0].tracks, *means.tolist()


def _summary(runs: list[Scores], genres: tuple[str, ...]) -> dict[str, Any]:
    """Return the means of the runs' figures, their intervals, and details of the first."""
    figures = [asdict(Figures.of(run)) for run in runs]
    means = {name: _mean([run[name] for run in figures]) for name in figures[0]}
    means["tracks"] = len(runs[0].true)
    return {
        **means,
        "seeds": len(runs),
        "intervals": intervals(runs),
        **details(runs[0], genres),
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None
