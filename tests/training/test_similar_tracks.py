"""How similar tracks change with fewer windows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from genremodel.analysis import OUTPUT_SIZE, TAGS
from training.evaluation.similar_tracks import compare, measure
from training.window_table import WindowTable

GENRES = np.array(["jazz", "rock"])


def points(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return embeddings on a circle."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_same_embeddings_have_the_same_similar_tracks() -> None:
    every = points(np.linspace(0, 1.5, 40))
    genre, artist = np.repeat(GENRES, 20), np.arange(40).astype(str)
    found = compare(every, every, genre, artist)
    assert found["cosine"] == pytest.approx(1)
    assert found["nearest_cosine"] == pytest.approx(np.cos(1.5 / 39))
    assert found["same_nearest"] == found["same"] == 1
    assert found["genre_by_first"] == found["genre_by_every"] > 0.8


def test_other_embeddings_have_other_similar_tracks() -> None:
    every = points(np.linspace(0, 1.5, 40))
    genre, artist = np.repeat(GENRES, 20), np.arange(40).astype(str)
    found = compare(np.random.default_rng(0).permutation(every), every, genre, artist)
    assert found["same"] < 0.5
    assert found["genre_by_first"] < found["genre_by_every"]


def test_tracks_of_ten_windows_are_compared() -> None:
    rng = np.random.default_rng(0)
    tracks = np.repeat(np.arange(30), [10] * 20 + [3] * 10)
    values = np.zeros((len(tracks), OUTPUT_SIZE), np.float32)
    values[:, TAGS : TAGS + 8] = rng.normal(size=(30, 8))[tracks]  # the same in all windows
    names = np.array([f"track {track:02}" for track in tracks])
    table = WindowTable.from_rows(values, names, GENRES[tracks % 2], names, "train")
    found = measure(table)
    assert found["tracks"] == 20
    assert found["same_nearest"] == found["same"] == 1
