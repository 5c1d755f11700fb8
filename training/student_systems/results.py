"""Fits and scores a baseline on a protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from training.datasets.songs import SongTable
from training.student_systems.baseline import Baseline
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.protocols import Fold, score_segments
from training.student_systems.song_classifier import Ensemble, SongClassifier

_REPETITIONS = 15


@dataclass(frozen=True)
class Result:
    """Figures of one model on one protocol.

    Attributes
    ----------
    scored
        Number of test songs, or of segments if they are scored one by one.
    confusion
        (genres, genres) counts; rows are true genres.
    parameters
        See `size`.
    seconds
        Time of one fit, mean over folds.
    milliseconds
        Time of one prediction, including the computation of the features.
    correct
        Whether the prediction is correct, by track; empty if segments are scored.
    history
        Loss and accuracy of a network by epoch.
    importances
        Feature importances of a random forest.
    accuracy_by_seconds
        Accuracy by the length of the excerpts.
    """

    accuracy: float
    macro_f1: float
    scored: int
    genres: list[str]
    confusion: list[list[int]]
    parameters: int
    seconds: float
    milliseconds: float
    correct: dict[str, bool] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    importances: list[float] = field(default_factory=list)
    accuracy_by_seconds: dict[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the result as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def accuracy_on(self, tracks: Sequence[str]) -> float:
        """Return the accuracy on some songs; repeated songs have more weight."""
        return mean(self.correct[track] for track in tracks)

    @classmethod
    def load(cls, path: Path) -> Result:
        """Read a result written by `save`."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def measure(
    baseline: Baseline,
    folds: Sequence[Fold],
    checkpoints: Path | None,
    *,
    segments: bool,
    read_one: Callable[[], NDArray[Any]],
    excerpts: Mapping[float, SongTable],
) -> Result:
    """Fit and score a baseline on every fold; the predictions of all folds are pooled.

    Parameters
    ----------
    segments
        Score test segments one by one, unless the model reads whole songs.
    read_one
        Computes the view of one song, to measure the time of a prediction.
    excerpts
        Excerpts of test songs by length in seconds, scored with the model of the last fold.
    """
    true: list[NDArray[np.str_]] = []
    predicted: list[NDArray[np.str_]] = []
    correct: dict[str, bool] = {}
    seconds = 0.0
    for fold in folds:
        model = baseline.make(checkpoints)
        began = perf_counter()
        model.fit(fold.train.values, fold.train.genre, groups=fold.groups)
        seconds += trained_seconds(model) or perf_counter() - began
        scored = score_segments(fold) if segments and model.by_segment else fold
        true.append(scored.test.genre)
        predicted.append(model.predict(scored.test.values))
        if scored is fold:
            matches = (predicted[-1] == true[-1]).tolist()
            correct.update(zip(fold.test.track.tolist(), matches, strict=True))
    genres = np.unique(np.concatenate(true))
    pair = np.concatenate(true), np.concatenate(predicted)
    return Result(
        accuracy=float(accuracy_score(*pair)),
        macro_f1=float(f1_score(*pair, average="macro")),
        scored=len(pair[0]),
        genres=genres.tolist(),
        confusion=confusion_matrix(*pair, labels=genres).tolist(),
        parameters=size(model),
        seconds=seconds / len(folds),
        milliseconds=_prediction_time(model, read_one),
        correct=correct,
        history=getattr(model.estimator, "history_", []),
        importances=_importances(model),
        accuracy_by_seconds={
            f"{length:g}": float(np.mean(model.predict(songs.values) == songs.genre))
            for length, songs in excerpts.items()
        },
    )


def trained_seconds(model: SongClassifier) -> float:
    """Return the training time of a model's networks, including resumed runs; 0 without any."""
    return sum(network.seconds_ for network in networks(model))


def size(model: SongClassifier) -> int:
    """Return the number of parameters of a fitted model.

    Weights of networks and linear models, values stored by nearest neighbors and support vector
    machines, nodes of trees.
    """
    if found := networks(model):
        return sum(p.numel() for network in found for p in network.module_.parameters())
    last = _last(model)
    if trees := getattr(last, "estimators_", None):
        return sum(tree.tree_.node_count for tree in trees)
    if hasattr(last, "n_samples_fit_"):
        return last.n_samples_fit_ * last.n_features_in_
    if hasattr(last, "support_vectors_"):
        return last.support_vectors_.size
    return last.coef_.size + last.intercept_.size


def _prediction_time(model: SongClassifier, read_one: Callable[[], NDArray[Any]]) -> float:
    """Return the median time of several predictions, in milliseconds."""
    times = []
    for _ in range(_REPETITIONS):
        began = perf_counter()
        model.predict(read_one())
        times.append(perf_counter() - began)
    return 1000 * median(times)


def networks(model: SongClassifier) -> list[NetworkClassifier]:
    """Return the networks that a model consists of, if any."""
    estimator = model.estimator
    members = estimator.estimators if isinstance(estimator, Ensemble) else [estimator]
    return [member for member in members if isinstance(member, NetworkClassifier)]


def _last(model: SongClassifier) -> Any:
    steps = getattr(model.estimator, "steps", None)
    return steps[-1][1] if steps else model.estimator


def _importances(model: SongClassifier) -> list[float]:
    importances = getattr(_last(model), "feature_importances_", None)
    return [] if importances is None else importances.tolist()
