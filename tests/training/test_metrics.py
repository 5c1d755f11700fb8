"""Metrics of predictions and their confidence intervals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from training.evaluation.metrics import Figures, Scores, intervals


def scores(tracks: int, seed: int = 0) -> Scores:
    """Return calibrated scores with an accuracy of 0.7."""
    rng = np.random.default_rng(seed)
    true = np.resize(["blues", "jazz"], tracks)
    right = np.arange(tracks) % 10 < 7
    predicted = np.where(right, true, "rock")
    return Scores(true, predicted, predicted, np.full(tracks, 0.7), rng.random(tracks) < 0.5)


def test_interval_width_depends_on_track_count() -> None:
    for tracks in (100, 1000):
        low, high = intervals([scores(tracks)])["accuracy"] or (0.0, 0.0)
        assert low < 0.7 < high
        assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / tracks), rel=0.15)
    several = intervals([scores(100, seed) for seed in range(10)])
    assert several["accuracy"] == pytest.approx((0.61, 0.79), abs=0.02)
    assert several.keys() == Figures.of(scores(100)).rounded().keys() - {"tracks"}


def test_f1_equals_scikit_learn() -> None:
    some = scores(50)
    for genres in (None, np.array(["blues", "jazz", "rock"])):
        expected = f1_score(
            some.true,
            some.predicted,
            labels=np.unique(some.true) if genres is None else genres,
            average="macro",
            zero_division=0,
        )
        assert Figures.of(some, genres).macro_f1 == pytest.approx(expected)


def test_selective_accuracy_is_none_without_coverage() -> None:
    some = scores(20)
    nothing = Scores(some.true, some.predicted, some.mean, some.confidence, np.zeros(20, np.bool_))
    assert intervals([nothing])["selective_accuracy"] is None
    assert intervals([nothing])["coverage"] == [0, 0]


def test_tables_split_and_join() -> None:
    whole = scores(10)
    odd = np.arange(10) % 2 == 1
    parts = whole[odd] + whole[~odd]
    assert len(whole[odd]) == 5
    assert sorted(parts.predicted) == sorted(whole.predicted)
    assert (whole[np.array([3, 3])].true == "jazz").all()
