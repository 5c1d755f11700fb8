"""Coverage and selective accuracy by the threshold of the confidence, on unseen artists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.column_table import ColumnTable
from training.evaluation.artist_bootstrap import estimates, mean

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Outcomes(ColumnTable):
    """One row per track.

    artist: (tracks,). outcome: (tracks,) 1 if the genre is correct, 0 if it is wrong, NaN for an
    abstention.
    """

    artist: NDArray[np.str_]
    outcome: NDArray[np.float64]


def outcomes(
    artist: NDArray[np.str_],
    confidence: NDArray[np.floating[Any]],
    correct: NDArray[np.bool_],
    threshold: float,
) -> Outcomes:
    """Return the outcomes at a threshold."""
    return Outcomes(artist, np.where(confidence >= threshold, correct, np.nan))


def coverage_and_accuracy(runs: Sequence[Outcomes]) -> dict[str, Any]:
    """Return "coverage" and "selective_accuracy" of cross-validations, and their "intervals"."""
    return estimates(
        runs,
        coverage=lambda run: mean(np.isfinite(run.outcome)),
        selective_accuracy=lambda run: mean(run.outcome),
    )


def by_threshold(runs: Sequence[Sequence[Outcomes]]) -> dict[str, Any]:
    """Return the number of tracks and artists, and the figures at each of `THRESHOLDS`.

    runs: by threshold, the outcomes of each cross-validation of the same tracks.
    """
    first = runs[0][0]
    return {
        "seeds": len(runs[0]),
        "tracks": len(first),
        "artists": len(np.unique(first.artist)),
        "thresholds": [
            {"threshold": threshold, **coverage_and_accuracy(at_threshold)}
            for threshold, at_threshold in zip(THRESHOLDS, runs, strict=True)
        ],
    }
