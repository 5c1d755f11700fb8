"""Figures of albums that decide for their tracks are measured on unseen artists."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.test_evaluate import PARAMS, RecordingFit, table
from training.evaluation.album_scopes import Results, figures, measure_scopes


def test_noisy_tracks_and_scored_artists_are_not_fitted_on() -> None:
    windows, fit = table(), RecordingFit()
    noisy = windows.with_role("valid")
    noisy = noisy.with_tracks(name=np.char.add(noisy.tracks.name, " noisy"))
    emotify = [*windows.with_role("train").names, *noisy.names]
    found = measure_scopes(windows, noisy, emotify, fit, PARAMS, seeds=2)
    assert all(known.has_role("song", "train", "valid").all() for known in fit.tables)
    assert found["songs"]["tracks"] == found["emotify"]["tracks"] == 48
    assert found["all_emotify"]["tracks"] == 96
    for group in ("songs", "emotify"):
        artists = {*windows.with_role("song" if group == "songs" else "train").groups}
        assert found[group]["artists"] == len(artists)
        for scope in ("track", "auto", "album"):
            assert 0 <= found[group][scope]["coverage"] <= 1
    assert all(len({*known.groups} & artists) < len(artists) for known in fit.tables[5:10])


def test_figures_are_means_with_intervals_by_artist() -> None:
    nan = np.nan
    run = Results(
        artist=np.repeat(["a", "b", "c"], 2),
        track=np.array([1, nan, 1, nan, nan, 0]),
        auto=np.array([1, 1, 1, 0, nan, 0]),
        album=np.array([1, 1, 0, 0, nan, 0]),
        given=np.array([nan, 0.8, nan, 0.6, nan, nan]),
    )
    found = figures([run, run])
    assert (found["seeds"], found["tracks"], found["artists"]) == (2, 6, 3)
    assert found["track"]["coverage"] == 0.5
    assert found["auto"]["coverage"] == found["album"]["coverage"] == pytest.approx(5 / 6, abs=1e-4)
    assert found["auto"]["selective_accuracy"] == 0.6
    given = found["given"]
    assert (given["tracks"], given["confidence"], given["accuracy"]) == (2, 0.7, 0.5)
    assert given["intervals"]["accuracy"] == [0.0, 1.0], "of the two artists"
