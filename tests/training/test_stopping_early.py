"""How predictions change with `windows: auto` is measured on unseen artists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genremodel.audio.params import SAMPLE_RATE
from tests.sounds import RATE, melody
from tests.training.test_evaluate import PARAMS, RecordingFit, table
from training.evaluation.long_tracks import Sounds
from training.evaluation.stopping_early import (
    BothWays,
    assembled,
    count_stops,
    out_of_fold_with_votes,
    predict_both_ways,
)


def test_tracks_with_ten_windows_are_predicted_both_ways() -> None:
    windows, fit = table(), RecordingFit()
    more = windows[np.repeat(np.arange(len(windows)), 3)]  # twelve of each track
    scored = more.has_role("song")
    predictions, unanimous = out_of_fold_with_votes(more, fit, PARAMS, 0, scored)
    assert len(unanimous) == len(predictions)
    found = predict_both_ways(predictions, unanimous, predictions)
    assert len(found) == len(np.unique(more[scored].names)) == 48
    assert found.unanimous.all()
    np.testing.assert_array_equal(found.genre[:, 0], found.genre[:, 1])
    assert found.correct.mean() == pytest.approx(7 / 8)
    for known in fit.tables:
        assert not {*more[scored].groups} <= {*known.groups}, "some artists are held out"


def test_divided_votes_are_not_unanimous() -> None:
    windows = table()
    values = windows.values.copy()
    values[::4] = np.roll(values[::4], 1, axis=1)  # one window of each track
    noisy = replace(windows, values=values)
    scored = windows.has_role("song")
    _, unanimous = out_of_fold_with_votes(noisy, RecordingFit(), PARAMS, 0, scored)
    assert unanimous.any()
    assert not unanimous.all()


def ways(confidence: list[float]) -> BothWays:
    """Return tracks of ten artists, alternately in two folds; those below 0.7 change by all."""
    first = np.array(confidence)
    return BothWays(
        fold=np.arange(len(first)) % 2,
        unanimous=np.ones(len(first), bool),
        genre=np.zeros((len(first), 2), np.intp),
        confidence=np.stack([first, np.where(first < 0.7, 0.9, first)], axis=1),
        correct=np.stack([first >= 0.7, np.ones(len(first), bool)], axis=1),
    )


def test_threshold_is_the_lowest_that_keeps_predictions() -> None:
    found = ways([0.55, 0.62, 0.68, 0.71, 0.75, 0.8, 0.9, 0.95])
    assert found.threshold(0.7) == 0.7
    assert found.threshold(0.5) == 0.5, "the same genre is given"
    # The lowest of the other fold, without the track at 0.68, is 0.65.
    np.testing.assert_array_equal(found.held_out_stops(0.7), found.stops(0.65))


def test_figures_compare_both_ways() -> None:
    found = ways([0.6, 0.7, 0.8, 0.9])
    stop, same, *ten, accuracy, _, coverage = found.figures(found.stops(0.5), 0.7)
    assert (stop, same, accuracy, coverage) == (1.0, 0.75, 0.75, 0.75)
    assert (ten[0], ten[2]) == (1.0, 1.0)


def test_most_of_an_assembled_track_has_one_genre() -> None:
    songs = {
        name: [np.full(20 * SAMPLE_RATE, level, np.float32)]
        for level, name in enumerate(("blues", "jazz", "metal", "rock"))
    }
    sounds = Sounds(songs, [], np.random.default_rng(0))
    for _ in range(20):
        track = assembled(sounds)
        assert 180 <= len(track) / SAMPLE_RATE <= 361
        assert 0.49 <= np.bincount(track.astype(int)).max() / len(track) <= 0.91


def test_stops_are_counted_until_there_are_enough() -> None:
    sources = [(melody(60, seed), RATE) for seed in range(3)]
    counts = count_stops(sources, enough=2)
    assert (counts.tracks, counts.stopped, counts.same) == (2, 2, 2)
