"""Figures of a model on tracks whose genre is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from genremodel.decision import Rules, verdict

_BINS = 5


@dataclass(frozen=True)
class Figures:
    """How well tracks are named; shares in [0, 1].

    accuracy: by majority vote. accuracy_mean: by averaged probabilities. macro_f1: by majority.
    ece: expected calibration error. selective_accuracy and coverage: among the tracks that are
    decided at the default threshold, and how many those are; the first is None where none is.
    """

    tracks: int
    accuracy: float
    accuracy_mean: float
    macro_f1: float
    ece: float
    selective_accuracy: float | None
    coverage: float

    def rounded(self) -> dict[str, Any]:
        """Return the figures as a dictionary, to four digits."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def score(
    probabilities: Sequence[NDArray[np.float64]], genre: Sequence[str], rules: Rules
) -> Figures:
    """Score tracks. probabilities: (windows, genres) of each. genre: the right one of each."""
    true = np.array(genre)
    names = np.array(rules.genres)
    majority = [verdict(track, rules, "majority") for track in probabilities]
    mean = [verdict(track, rules, "mean")[0] for track in probabilities]
    predicted = names[[index for index, _ in majority]]
    confidence = np.array([confidence for _, confidence in majority])
    right = predicted == true
    decided = confidence >= rules.min_confidence
    return Figures(
        tracks=len(true),
        accuracy=float(right.mean()),
        accuracy_mean=float((names[mean] == true).mean()),
        macro_f1=float(f1_score(true, predicted, labels=np.unique(true), average="macro")),
        ece=calibration_error(confidence, right),
        selective_accuracy=float(right[decided].mean()) if decided.any() else None,
        coverage=float(decided.mean()),
    )


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error with five bins of equal mass.

    Nguyen and O'Connor, "Posterior calibration and exploratory analysis for natural language
    processing models", EMNLP 2015. confidence, right: (tracks,).
    """
    order = np.argsort(confidence, kind="stable")
    bins = [part for part in np.array_split(order, _BINS) if len(part)]
    gaps = [abs(confidence[part].mean() - right[part].mean()) * len(part) for part in bins]
    return float(sum(gaps) / len(order))
