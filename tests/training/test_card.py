"""The figures of a card: their intervals, and what it takes from elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from training.evaluation.metrics import Figures, Scores, intervals
from training.reports import model_card as card


def scores(tracks: int, seed: int = 0) -> Scores:
    """Return scores of which seven in ten are right, and as sure as they should be."""
    rng = np.random.default_rng(seed)
    true = np.resize(["blues", "jazz"], tracks)
    right = np.arange(tracks) % 10 < 7
    predicted = np.where(right, true, "rock")
    return Scores(true, predicted, predicted, np.full(tracks, 0.7), rng.random(tracks) < 0.5)


def test_an_interval_is_as_wide_as_tracks_are_few() -> None:
    for tracks in (100, 1000):
        low, high = intervals([scores(tracks)])["accuracy"] or (0.0, 0.0)
        assert low < 0.7 < high
        assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / tracks), rel=0.15)
    several = intervals([scores(100, seed) for seed in range(10)])
    assert several["accuracy"] == pytest.approx((0.61, 0.79), abs=0.02)
    assert several.keys() == Figures.of(scores(100)).rounded().keys() - {"tracks"}


def test_the_f1_is_that_of_scikit_learn() -> None:
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


def test_where_nothing_is_decided_nothing_is_right_among_the_decided() -> None:
    some = scores(20)
    nothing = Scores(some.true, some.predicted, some.mean, some.confidence, np.zeros(20, np.bool_))
    assert intervals([nothing])["selective_accuracy"] is None
    assert intervals([nothing])["coverage"] == [0, 0]


def test_a_table_is_taken_apart_and_put_together() -> None:
    whole = scores(10)
    odd = np.arange(10) % 2 == 1
    parts = whole[odd] + whole[~odd]
    assert len(whole[odd]) == 5
    assert sorted(parts.predicted) == sorted(whole.predicted)
    assert (whole[np.array([3, 3])].true == "jazz").all()


def test_every_figure_of_the_bundled_models_has_its_interval(bundled: dict[str, Any]) -> None:
    rows = [bundled["cnn"][name] for name in ("songs", "files", "valid")]
    rows += [bundled["knn"][name] for name in ("files", "valid")]
    for figures in rows:
        low, high = figures["intervals"]["accuracy"]
        assert low < figures["accuracy"] < high
        assert all(low < high for low, high in figures["intervals"].values())
    text = card.render(bundled, "")
    accuracy, (low, high) = rows[0]["accuracy"], rows[0]["intervals"]["accuracy"]
    assert f"| {accuracy:.3f} ({low:.2f}-{high:.2f}) |" in text


def test_the_card_tells_the_licence_of_all_data(bundled: dict[str, Any]) -> None:
    text = card.render(bundled, "")
    for name, licence in (
        ("GTZAN", "none"),
        ("Emotify", "none is stated"),
        ("Million Song Dataset", "the recordings are copyrighted"),
        ("MagnaTagATune", "CC BY-NC-SA"),
    ):
        (row,) = (line for line in text.splitlines() if line.startswith(f"| {name}"))
        assert f"| {licence}" in row
    assert "(ISC licence" in text


def test_the_speed_is_what_was_measured(bundled: dict[str, Any]) -> None:
    measured = (
        "# Measured by `make bench`\n\nPlan 9, 3 processors.\n\n| mp3 | 70 | 35 | 2.00 | 9 |\n"
    )
    text = " ".join(card.render(bundled, measured).split())
    assert "costs the CNN 70 ms" in text
    assert "costs 35 ms: a ratio of 2.00" in text
    assert "(Plan 9, 3 processors)" in text
    assert "`make bench` measures it." in card.render(bundled, "nothing yet")
