"""Bootstrap intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genremodel.evaluation import Metrics
from tests.genremodel.test_evaluation import scores
from training.evaluation.metrics import details, intervals


def test_intervals_narrow_with_the_number_of_tracks() -> None:
    for tracks in (100, 1000):
        low, high = intervals([scores(tracks)])["accuracy"] or (0.0, 0.0)
        assert low < 0.7 < high
        assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / tracks), rel=0.15)
    several = intervals([scores(100, seed) for seed in range(10)])
    assert several["accuracy"] == pytest.approx((0.61, 0.79), abs=0.02)
    assert several.keys() == Metrics.from_scores(scores(100)).rounded().keys() - {"tracks"}


def test_selective_accuracy_has_no_interval_without_coverage() -> None:
    nothing = replace(scores(20), abstained=np.ones(20, np.bool_))
    assert intervals([nothing])["selective_accuracy"] is None
    assert intervals([nothing])["coverage"] == [0, 0]


def test_details_of_each_genre() -> None:
    found = details(scores(100), ["blues", "jazz", "rock"])
    assert found["genres"]["blues"] == {"tracks": 50, "precision": 1, "recall": 0.8}
    assert found["genres"]["rock"] == {"tracks": 0, "precision": 0, "recall": 0}
    assert found["confusion"] == [[40, 0, 10], [0, 30, 20], [0, 0, 0]]
    assert [confidence for confidence, _ in found["reliability"]] == [0.7] * 5
