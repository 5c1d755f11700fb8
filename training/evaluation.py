"""How good the model is: on artists that it never heard, and on the validation files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.backends import Cnn, Knn
from genremodel.decision import Rules
from training.collection import Collection
from training.datasets import gtzan_taggrams
from training.fitting import Classify, Fit, fit_head_classifier, fit_knn, out_of_fold
from training.rows import Rows, read_activations, read_features
from training.scoring import Figures, score

SEEDS = 10


def evaluate(collection: Collection) -> dict[str, Any]:
    """Score both bundled models; their recipes across artists, and the files of `valid`."""
    cnn, knn = Cnn(), Knn()
    activations = read_activations(collection.valid, cnn.backbone)
    features = read_features(collection.valid)
    return {
        cnn.rules.model: {
            "cross_validation": cross_validate(
                collection.training_activations(cnn.backbone),
                fit_head_classifier,
                cnn.rules,
                scored=len(collection.taggrams or ()),
            ),
            "valid": validate(activations, cnn.head.predict_proba, cnn.rules),
        },
        knn.rules.model: {
            "cross_validation": cross_validate(
                collection.training_features(),
                lambda rows: fit_knn(rows, knn.neighbours),
                knn.rules,
            ),
            "valid": validate(features, knn.classify, knn.rules),
        },
    }


def evaluate_activations(path: Path) -> dict[str, Any]:
    """Score the bundled genre head on stored backbone outputs. Raises DataError."""
    cnn = Cnn()
    return validate(gtzan_taggrams.read(path), cnn.head.predict_proba, cnn.rules)


def validate(rows: Rows, classify: Classify, rules: Rules) -> dict[str, Any]:
    """Return the figures of a fitted model on tracks."""
    return _score(rows, classify(rows.values), rules).rounded()


def cross_validate(rows: Rows, fit: Fit, rules: Rules, scored: int = 0) -> dict[str, Any]:
    """Return the figures of artist-grouped cross-validation, each the mean over ten seeds.

    scored: how many rows, the first, are the tracks to score, the others only helping to fit;
    0 for all.
    """
    mask = np.arange(len(rows)) < (scored or len(rows))
    runs = [
        _score(rows[mask], out_of_fold(rows, fit, seed=seed, scored=mask), rules)
        for seed in range(SEEDS)
    ]
    names = [name for name in asdict(runs[0]) if name != "tracks"]
    means: dict[str, Any] = {name: _mean([getattr(run, name) for run in runs]) for name in names}
    return {**Figures(tracks=runs[0].tracks, **means).rounded(), "seeds": SEEDS}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _score(rows: Rows, probabilities: NDArray[np.float64], rules: Rules) -> Figures:
    genres, _, members = rows.by_track()
    return score([probabilities[track] for track in members], genres.tolist(), rules)
