"""Bootstrap intervals and details of metrics, for the model card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from genremodel.calibration import confidence_bins
from genremodel.evaluation import Metrics, Scores, confusion_matrix, precision_and_recall

_RESAMPLES = 1000


def intervals(runs: Sequence[Scores]) -> dict[str, list[float] | None]:
    """Return the 95% confidence interval of each metric, by bootstrap over tracks.

    Parameters
    ----------
    runs
        Cross-validations of the same tracks. Each is resampled in turn, because the metrics are
        means over all of them.

    Returns
    -------
    dict
        Lower and upper bound by metric; None where the metric is not defined.

    References
    ----------
    Efron and Tibshirani, "An introduction to the bootstrap", 1993: the percentile method.
    """
    rng = np.random.default_rng(0)
    genres = np.unique(runs[0].genre)  # a resample may lack some of them
    drawn = [
        asdict(Metrics.from_scores(run[rng.integers(len(run), size=len(run))], genres))
        for run in runs
        for _ in range(_RESAMPLES // len(runs))
    ]
    return {
        name: _interval([metrics[name] for metrics in drawn])
        for name in drawn[0]
        if name != "tracks"
    }


def _interval(values: list[float | None]) -> list[float] | None:
    known = [value for value in values if value is not None]
    return np.quantile(known, [0.025, 0.975]).round(3).tolist() if known else None


def details(scores: Scores, genres: Sequence[str]) -> dict[str, Any]:
    """Return what the model card shows besides the metrics.

    "genres": tracks, precision and recall of each. "confusion": a matrix whose rows are the true
    genres. "reliability": mean confidence and accuracy of each confidence bin.
    """
    has_genre = scores.genre[:, np.newaxis] == np.arange(len(genres))
    tracks = has_genre.sum(axis=0).tolist()
    return {
        "genres": {
            name: {"tracks": count, "precision": round(precision, 3), "recall": round(recall, 3)}
            for name, count, (precision, recall) in zip(
                genres, tracks, precision_and_recall(scores, has_genre), strict=True
            )
        },
        "confusion": confusion_matrix(scores, len(genres)).tolist(),
        "reliability": [
            [
                round(float(scores.confidence[part].mean()), 3),
                round(float(scores.correct[part].mean()), 3),
            ]
            for part in confidence_bins(scores.confidence)
        ],
    }
