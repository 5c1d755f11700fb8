from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genremodel.calibration import (
    Calibration,
    confidence_bins,
    expected_calibration_error,
    fit_calibration,
)
from genremodel.models.bundled import bundled_params


@given(st.floats(0, 1), st.floats(0, 3), st.floats(0, 1), st.integers(1, 30))
def test_confidence_is_monotonic(
    probability: float, novelty: float, more: float, windows: int
) -> None:
    calibration = Calibration(0.5, 1.2, -1.3, 0.2, median_novelty=1.5)
    confidence = float(calibration.confidence(np.array(probability), novelty, windows))
    assert 0 <= confidence <= 1
    larger = np.array(min(probability + more, 1.0))
    assert calibration.confidence(larger, novelty, windows) >= confidence
    assert calibration.confidence(np.array(probability), novelty + more, windows) <= confidence
    assert calibration.confidence(np.array(probability), novelty, windows + 1) >= confidence


BUNDLED = [bundled_params(backend).calibration for backend in ("cnn", "knn")]


OTHERS = [
    Calibration(intercept, probability, novelty, windows, 1.5).favoring_many_windows()
    for intercept, probability, novelty in ((2.8, 1.1, -1.4), (0.0, 1.0, 0.0), (9.0, 30.0, 0.0))
    for windows in (-2.0, 0.0, 0.05, 1.0)
]


@pytest.mark.parametrize("calibration", [*BUNDLED, *OTHERS])
@given(probability=st.floats(0.02, 1), novelty=st.floats(0, 4))
def test_fewer_windows_give_less_confidence(
    calibration: Calibration, probability: float, novelty: float
) -> None:
    sure = [float(calibration.confidence(probability, novelty, n)) for n in (1, 2, 3, 10)]
    assert sure == sorted(sure)
    assert sure[0] < sure[-1] or sure[-1] < 1e-9
    assert sure[0] <= 0.99


def test_fit_recovers_the_probability_of_being_right() -> None:
    rng = np.random.default_rng(0)
    probability, novelty = rng.uniform(0.1, 0.99, 4000), rng.normal(1.5, 0.5, 4000)
    windows = rng.choice([1, 3, 10], 4000)
    true = Calibration(1.0, 1.2, -0.8, 0.4, median_novelty=1.5)
    correct = rng.random(4000) < true.confidence(probability, novelty, windows)
    fitted = fit_calibration(probability, novelty, windows, correct, 1.5)
    expected = true.confidence(probability, novelty, windows)
    found = fitted.confidence(probability, novelty, windows)
    assert np.abs(found - expected).mean() < 0.02
    assert expected_calibration_error(found, correct) < 0.03


def test_fit_drops_novelty_if_novel_tracks_are_right_more_often() -> None:
    rng = np.random.default_rng(0)
    probability, novelty = rng.uniform(0.1, 0.99, 1000), rng.normal(1.5, 0.5, 1000)
    correct = rng.random(1000) < np.where(novelty > 1.5, 0.9, 0.3)
    fitted = fit_calibration(probability, novelty, np.full(1000, 10), correct, 1.5)
    assert fitted.novelty == 0


def test_fit_keeps_probabilities_if_less_probable_genres_are_right_more_often() -> None:
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.1, 0.99, 1000)
    correct = rng.random(1000) > probability
    fitted = fit_calibration(probability, np.ones(1000), np.full(1000, 10), correct, 1.0)
    assert fitted.probability == 1
    assert fitted.confidence(0.7, 1.0, 10) == pytest.approx(0.7, abs=1e-3)


@pytest.mark.parametrize("correct", [True, False])
def test_fit_keeps_probabilities_if_all_or_none_are_right(correct: bool) -> None:
    probability, all_equal = np.array([0.3, 0.7]), np.full(2, correct)
    fitted = fit_calibration(probability, np.ones(2), np.full(2, 10), all_equal, 1.0)
    assert fitted.confidence(probability, 1.0, 10) == pytest.approx(probability, abs=1e-3)


@given(st.integers(1, 30))
def test_confidence_bins_are_a_partition_in_ascending_order(tracks: int) -> None:
    confidence = np.random.default_rng(0).random(tracks)
    bins = confidence_bins(confidence)
    assert np.array_equal(np.concatenate(bins), np.argsort(confidence))
    sizes = [len(part) for part in bins]
    assert max(sizes) - min(sizes) <= 1
