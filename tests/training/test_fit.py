"""Large tables are fitted in part, and small ones as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from genremodel.analysis import EMBEDDING_SIZE, TAGS, NetworkOutputs
from genremodel.audio.places import chosen_places, evenly_spaced
from genremodel.models._special import expit
from training.fit import fit_heads
from training.nonmusic_detector import Examples, embeddings, fit_nonmusic
from training.window_table import FITTED_WINDOWS, WindowTable

TRACKS, WINDOWS = 120, 10
GENRES = np.array(["blues", "jazz", "rock"])


def outputs(precision: type[np.floating] = np.float32) -> WindowTable:
    """Return tracks whose genre can be read from the outputs, a third of them altered copies."""
    rng = np.random.default_rng(0)
    track = np.repeat(np.arange(TRACKS), WINDOWS)
    genre = track % len(GENRES)
    logits = rng.normal(size=(2, len(GENRES), TAGS))[:, genre]
    logits += rng.normal(0, 2, (2, len(track), TAGS))
    values = [expit(logits[0]), rng.normal(size=(len(track), EMBEDDING_SIZE))]
    expert = np.concatenate([expit(logits[1]), values[1]], axis=1)
    expert[~np.isin(np.arange(len(track)) % WINDOWS, chosen_places(3, WINDOWS))] = np.nan
    joined = NetworkOutputs(*values, *np.split(expert, [TAGS], axis=1)).join()
    artist = np.char.add("artist ", (track % 40).astype(str))
    role = np.where(track % 4 == 0, "altered", "train")
    return WindowTable.from_rows(
        joined.astype(precision), track.astype(str), GENRES[genre], artist, role
    )


def accuracy(table: WindowTable) -> float:
    heads, (genres, _, members) = fit_heads(table), outputs().by_track()
    found = [heads.predict_proba(outputs().values[rows]).probabilities for rows in members]
    predicted = GENRES[[probabilities.mean(axis=0).argmax() for probabilities in found]]
    return float((predicted == genres).mean())


def test_two_windows_of_each_track_are_fitted_in_single_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = outputs()
    by_both = NetworkOutputs.split(table.values).by_both
    assert table.fitted_rows().tolist() == [*range(len(table))]
    assert table.fitted_rows(by_both).tolist() == np.flatnonzero(by_both).tolist()
    assert table.precision is np.float64
    small = fit_heads(table)
    monkeypatch.setattr("training.window_table.MANY_ROWS", len(table) - 1)
    assert table.precision is np.float32
    for rows in (None, by_both, by_both | (table.track < 20)):
        expected = [evenly_spaced(track, FITTED_WINDOWS) for track in table.by_track(rows)[2]]
        assert table.fitted_rows(rows).tolist() == sorted(np.concatenate(expected).tolist())
    large = fit_heads(outputs(np.float16))
    assert not np.array_equal(small.msd.weight, large.msd.weight)
    np.testing.assert_allclose(large.novelty.centroids, small.novelty.centroids, atol=0.01)


def test_large_tables_are_fitted_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = accuracy(outputs())
    monkeypatch.setattr("training.window_table.MANY_ROWS", 100)
    assert accuracy(outputs(np.float16)) == pytest.approx(whole, abs=0.02)
    assert whole > 0.9


def test_detector_of_large_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    sounds = embeddings(outputs()).in_role("recorded")
    sounds = sounds.with_tracks(genre=sounds.tracks.group)[np.arange(40)]
    monkeypatch.setattr("training.window_table.MANY_ROWS", 100)
    music = embeddings(outputs(np.float16))
    assert np.isfinite(fit_nonmusic(Examples(music, sounds, lost=0.05, c=0.1))).all()
