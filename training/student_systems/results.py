"""What a model does on a protocol: measured once, kept as JSON."""

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

from training.student_systems.baseline import Baseline
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.protocols import Fold, score_segments
from training.student_systems.songs import Songs
from training.student_systems.songwise import Ensemble, Songwise

_DECISIONS = 15


@dataclass(frozen=True)
class Result:
    """Figures of one model on one protocol; shares in [0, 1].

    scored: songs, or segments where they are scored one by one. confusion: (genres, genres) counts,
    the right genre first. parameters: see `size`. seconds: of one fit, the mean over folds.
    milliseconds: of deciding on one song, what the model reads of it included.
    right: whether a song was named rightly, by track; of none where segments are scored.
    history: by epoch, of networks. importances: of a random forest, one a column.
    heard: accuracy by seconds of audio.
    """

    accuracy: float
    macro_f1: float
    scored: int
    genres: list[str]
    confusion: list[list[int]]
    parameters: int
    seconds: float
    milliseconds: float
    right: dict[str, bool] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    importances: list[float] = field(default_factory=list)
    heard: dict[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def accuracy_on(self, tracks: Sequence[str]) -> float:
        """Return the accuracy on some of the songs, as often as each is named."""
        return mean(self.right[track] for track in tracks)

    @classmethod
    def load(cls, path: Path) -> Result:
        """Read what `save` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def measure(
    baseline: Baseline,
    folds: Sequence[Fold],
    checkpoints: Path | None,
    *,
    segments: bool,
    read_one: Callable[[], NDArray[Any]],
    excerpts: Mapping[float, Songs],
) -> Result:
    """Fit and score a baseline on every fold, the predictions of all folds pooled.

    segments: score every test segment by itself, unless the model reads whole songs. read_one: does
    what the model needs of one song, for its time. excerpts: by seconds, test songs of which less
    is heard, scored with the model of the last fold.
    """
    true: list[NDArray[np.str_]] = []
    predicted: list[NDArray[np.str_]] = []
    right: dict[str, bool] = {}
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
            verdicts = (predicted[-1] == true[-1]).tolist()
            right.update(zip(fold.test.track.tolist(), verdicts, strict=True))
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
        milliseconds=_decision_time(model, read_one),
        right=right,
        history=getattr(model.estimator, "history_", []),
        importances=_importances(model),
        heard={
            f"{length:g}": float(np.mean(model.predict(songs.values) == songs.genre))
            for length, songs in excerpts.items()
        },
    )


def trained_seconds(model: Songwise) -> float:
    """Return what the epochs of a model's networks took, before interruptions too; 0 for others."""
    return sum(network.seconds_ for network in networks(model))


def size(model: Songwise) -> int:
    """Return how many numbers a fitted model keeps to decide with.

    Weights of networks and of linear models, values of the songs that neighbours or support vector
    machines keep, nodes of trees.
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


def _decision_time(model: Songwise, read_one: Callable[[], NDArray[Any]]) -> float:
    """Return the median of several decisions, in milliseconds."""
    times = []
    for _ in range(_DECISIONS):
        began = perf_counter()
        model.predict(read_one())
        times.append(perf_counter() - began)
    return 1000 * median(times)


def networks(model: Songwise) -> list[NetworkClassifier]:
    """Return the networks that a model is made of, if any."""
    estimator = model.estimator
    members = estimator.estimators if isinstance(estimator, Ensemble) else [estimator]
    return [member for member in members if isinstance(member, NetworkClassifier)]


def _last(model: Songwise) -> Any:
    steps = getattr(model.estimator, "steps", None)
    return steps[-1][1] if steps else model.estimator


def _importances(model: Songwise) -> list[float]:
    importances = getattr(_last(model), "feature_importances_", None)
    return [] if importances is None else importances.tolist()
