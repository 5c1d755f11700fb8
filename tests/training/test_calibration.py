from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from genremodel.audio.params import SILENCE_PEAK, WINDOW_SAMPLES
from genremodel.audio.windows import Windows
from genremodel.calibration import fit_calibration
from genremodel.models.base import WindowProbabilities
from training.augmentation import augmented
from training.evaluation.calibration import Verdict, calibrate, out_of_fold
from training.fit import WindowClassifier
from training.synthetic_nonmusic import nonmusic
from training.tables import Rows

GENRES = ("blues", "jazz")


def rows() -> Rows:
    """Return 20 tracks of twelve windows by ten artists, and an altered copy of each."""
    track = np.repeat(np.arange(20), 12)
    genre = np.array(GENRES)[track % 2]
    group = np.char.add("artist ", (track % 10).astype(str))
    owner = (track % 10).astype(np.float32)[:, np.newaxis]
    roles = [np.full(len(track), role) for role in ("train", "altered")]
    own, altered = (
        Rows(
            owner, np.char.add(track.astype(str), role[0]), genre, group, np.ones(len(track)), role
        )
        for role in roles
    )
    return own + altered


def test_no_artist_is_judged_by_a_model_that_heard_them() -> None:
    table = rows()

    def fit(known: Rows) -> WindowClassifier:
        artists = set(known.values[:, 0].tolist())

        def judge(values: NDArray[np.floating[Any]]) -> WindowProbabilities:
            assert artists.isdisjoint(values[:, 0].tolist())
            return WindowProbabilities(np.full((len(values), 2), 0.5), 1.0)

        return judge

    verdicts = out_of_fold(table, fit, seed=0, scored=table.role == "train")
    assert len({verdict.group for verdict in verdicts}) == 10
    by_windows = [len(verdict.judgement.probabilities) for verdict in verdicts]
    assert {count: by_windows.count(count) for count in by_windows} == {1: 20, 3: 20, 10: 20}
    assert {len(v.judgement.probabilities) for v in verdicts if v.whole} == {10}


def verdicts(right: Callable[[float, float], float], windows: int = 10) -> list[Verdict]:
    """Return verdicts for jazz of random probability and novelty, right as often as told."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(3000):
        probability, novelty = rng.uniform(0.5, 0.99), rng.uniform(0, 3)
        genre = GENRES[int(rng.random() < right(probability, novelty))]
        table = np.tile([1 - probability, probability], (windows, 1))
        found.append(Verdict(genre, "someone", 0, True, WindowProbabilities(table, novelty)))
    return found


def test_a_calibration_says_how_often_one_is_right() -> None:
    said = verdicts(lambda probability, novelty: probability / (1 + novelty))
    calibration = calibrate(said, GENRES, (0.5, 0.5))
    for probability, novelty in ((0.9, 0.5), (0.6, 1.5), (0.8, 2.5)):
        sure = float(calibration.confidence(probability, novelty, 10))
        assert sure == pytest.approx(probability / (1 + novelty), abs=0.07)
    assert calibration.novelty < 0
    assert calibration.median_novelty == pytest.approx(1.5, abs=0.1)


def test_what_the_verdicts_cannot_tell_has_no_say() -> None:
    rising = calibrate(verdicts(lambda _, novelty: novelty / 3), GENRES, (0.5, 0.5))
    assert rising.novelty == 0
    few = calibrate(verdicts(lambda p, _: p, windows=2), GENRES, (0.5, 0.5))
    assert 0 < few.windows <= 0.1, "only so much that fewer are less sure"
    assert few.confidence(0.7, 1.5, 2) == pytest.approx(0.7, abs=0.05)
    worse = calibrate(verdicts(lambda p, _: 1 - p), GENRES, (0.5, 0.5))
    assert worse.confidence(0.9, 1.0, 10) > worse.confidence(0.6, 1.0, 10)


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 3), st.integers(1, 12), st.booleans()),
        min_size=2,
        max_size=40,
    )
)
def test_fewer_windows_are_less_sure_whatever_the_verdicts_say(
    said: list[tuple[float, float, int, bool]],
) -> None:
    probability, novelty, windows, right = map(np.array, zip(*said, strict=True))
    assert fit_calibration(probability, novelty, windows, right, 1.5).windows > 0


def test_windows_that_mislead_are_not_believed() -> None:
    """Here votes by one window are right more often than votes by ten."""
    rng = np.random.default_rng(0)
    windows = np.repeat([1, 10], 2000)
    probability, novelty = rng.uniform(0.3, 0.99, 4000), rng.uniform(0, 3, 4000)
    right = rng.random(4000) < np.where(windows == 1, 0.9, 0.5)
    calibration = fit_calibration(probability, novelty, windows, right, 1.5)
    one, ten = (calibration.confidence(0.7, 1.5, count) for count in (1, 10))
    assert one < ten
    assert ten == pytest.approx(0.5, abs=0.05), "ten windows are judged as before"


@pytest.mark.parametrize(("windows", "copies"), [(0, 0), (1, 4), (2, 4), (3, 3)])
def test_altered_windows(windows: int, copies: int) -> None:
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.5, 0.5, (windows, WINDOW_SAMPLES)).astype(np.float32)
    altered = augmented(Windows(np.arange(float(windows)), samples), rng)
    assert altered.samples.shape == (copies, WINDOW_SAMPLES)
    assert len(altered.starts) == copies
    assert (np.abs(altered.samples) <= 1).all()


def test_sounds_that_are_no_music() -> None:
    sounds = nonmusic(8, np.random.default_rng(0))
    assert {*sounds} == {"noise", "tones", "pulses", "speech-like"}
    for windows in sounds.values():
        assert windows.shape == (8, WINDOW_SAMPLES)
        assert (np.abs(windows) <= 1).all()
        assert (np.abs(windows).max(axis=1) > SILENCE_PEAK).all()
        assert len(np.unique(windows.std(axis=1))) == 8
