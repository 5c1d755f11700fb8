"""Figures of a model on tracks whose genre is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from genremodel.calibration import confidence_bins, expected_calibration_error
from genremodel.prediction import DecisionParams
from genremodel.tables import ColumnTable
from genremodel.voting import vote_with_confidence, winning_genre
from training.evaluation.calibration import Verdict, recalibrated

_RESAMPLES = 1000


@dataclass(frozen=True)
class Scores(ColumnTable):
    """What a model said of tracks, (tracks,) each.

    predicted: by majority, whether or not it abstained. mean: by averaged probabilities.
    confidence: in the first. decided: not abstained.
    """

    true: NDArray[np.str_]
    predicted: NDArray[np.str_]
    mean: NDArray[np.str_]
    confidence: NDArray[np.float64]
    decided: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Where the majority is right."""
        return self.predicted == self.true


def score(verdicts: Iterable[Verdict], rules: DecisionParams) -> Scores:
    """Score verdicts on tracks."""
    names = np.array(rules.genres)
    true, predicted, mean, confidence = [], [], [], []
    for one in verdicts:
        probabilities, novelty = one.judgement
        index, sure = vote_with_confidence(probabilities, novelty, rules, "majority")
        true.append(one.genre)
        predicted.append(names[index])
        mean.append(names[winning_genre(probabilities, rules.prior, "mean")])
        confidence.append(sure)
    sureness = np.array(confidence)
    return Scores(
        np.array(true), np.array(predicted), np.array(mean), sureness,
        sureness >= rules.min_confidence,
    )  # fmt: skip


def score_unheard(
    verdicts: Sequence[Verdict], known: Sequence[Verdict], rules: DecisionParams
) -> Scores:
    """Score verdicts by calibrations that are fitted on known ones, but for the same artists'."""
    parts = []
    for fold in sorted({one.fold for one in verdicts}):
        own = [one for one in verdicts if one.fold == fold]
        artists = {one.group for one in own}
        others = [one for one in known if one.group not in artists]
        parts.append(score(own, recalibrated(rules, others)))
    return sum(parts[1:], parts[0])


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

    @classmethod
    def of(cls, scores: Scores, genres: NDArray[np.str_] | None = None) -> Figures:
        """Return the figures of what a model said. genres: of the F1; by default those that are."""
        right, decided = scores.right, scores.decided
        labels = np.unique(scores.true) if genres is None else genres
        return cls(
            tracks=len(right),
            accuracy=float(right.mean()),
            accuracy_mean=float((scores.mean == scores.true).mean()),
            macro_f1=float(np.mean([_f1(scores, genre) for genre in labels])),
            ece=expected_calibration_error(scores.confidence, right),
            selective_accuracy=float(right[decided].mean()) if decided.any() else None,
            coverage=float(decided.mean()),
        )

    def rounded(self) -> dict[str, Any]:
        """Return the figures as a dictionary, to four digits."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def _f1(scores: Scores, genre: str) -> float:
    """Return the F1 of a genre, ten times as fast as scikit-learn: `intervals` asks thousands."""
    named, true = scores.predicted == genre, scores.true == genre
    return 2.0 * float((named & true).sum()) / max(float(named.sum() + true.sum()), 1.0)


def intervals(runs: Sequence[Scores]) -> dict[str, list[float] | None]:
    """Return the 95 % interval of each figure, by bootstrap over tracks.

    The percentile method of Efron and Tibshirani, "An introduction to the bootstrap", 1993. runs:
    of the same tracks; each is drawn from in turn, as the figures are the means of all. An interval
    is None where the figure is.
    """
    rng = np.random.default_rng(0)
    genres = np.unique(runs[0].true)  # not all of them are drawn every time
    drawn = [
        asdict(Figures.of(run[rng.integers(len(run), size=len(run))], genres))
        for run in runs
        for _ in range(_RESAMPLES // len(runs))
    ]
    return {
        name: _middle([figures[name] for figures in drawn]) for name in drawn[0] if name != "tracks"
    }


def _middle(values: list[float | None]) -> list[float] | None:
    known = [value for value in values if value is not None]
    return np.quantile(known, [0.025, 0.975]).round(3).tolist() if known else None


def details(scores: Scores, genres: Sequence[str]) -> dict[str, Any]:
    """Return what a card shows besides the figures.

    genres: how many tracks each has, its precision and recall. confusion: rows are the true genres,
    in order. reliability: mean confidence and accuracy of each bin.
    """
    labels = np.array(genres)
    precision, recall, _, tracks = precision_recall_fscore_support(
        scores.true, scores.predicted, labels=labels, zero_division=0
    )
    matrix = confusion_matrix(scores.true, scores.predicted, labels=labels)
    return {
        "genres": {
            str(name): {
                "tracks": int(tracks[i]),
                "precision": round(float(precision[i]), 3),
                "recall": round(float(recall[i]), 3),
            }
            for i, name in enumerate(labels)
        },
        "confusion": matrix.tolist(),
        "reliability": [
            [
                round(float(scores.confidence[part].mean()), 3),
                round(float(scores.right[part].mean()), 3),
            ]
            for part in confidence_bins(scores.confidence)
        ],
    }
