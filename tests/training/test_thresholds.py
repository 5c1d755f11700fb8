"""Coverage and selective accuracy by threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.evaluation.thresholds import THRESHOLDS, by_threshold, outcomes


def test_figures_by_threshold() -> None:
    artist, confidence = np.array(["a", "a", "b", "c"]), np.array([0.55, 0.7, 0.95, 0.4])
    correct = np.array([False, True, True, True])
    found = by_threshold([[outcomes(artist, confidence, correct, t)] * 2 for t in THRESHOLDS])
    assert (found["seeds"], found["tracks"], found["artists"]) == (2, 4, 3)
    shown = [
        (at["threshold"], at["coverage"], at["selective_accuracy"]) for at in found["thresholds"]
    ]
    assert shown == [
        (0.5, 0.75, 0.6667),
        (0.6, 0.5, 1),
        (0.7, 0.5, 1),
        (0.8, 0.25, 1),
        (0.9, 0.25, 1),
    ]
    for at in found["thresholds"]:
        low, high = at["intervals"]["coverage"]
        assert low <= at["coverage"] <= high


def test_released_figures_trade_coverage_for_accuracy(bundled: dict[str, Any]) -> None:
    cnn = bundled["cnn"]
    tables = [cnn["songs"]["by_threshold"], cnn["files"]["by_threshold"]]
    for table in (*tables, *cnn["albums"]["by_threshold"].values()):
        coverage = [at["coverage"] for at in table["thresholds"]]
        assert coverage == sorted(coverage, reverse=True)
        assert table["thresholds"][-1]["selective_accuracy"] > 0.9
    at_default = cnn["songs"]["by_threshold"]["thresholds"][THRESHOLDS.index(cnn["min_confidence"])]
    assert at_default["coverage"] == cnn["songs"]["coverage"]
