from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genremodel.analysis import TAGS
from genremodel.models.nonmusic import NO_NONMUSIC_DETECTION, is_nonmusic
from genremodel.models.novelty import Novelty, fit_novelty

RNG = np.random.default_rng(0)
NOVELTY = Novelty(np.zeros((1, TAGS)), np.eye(TAGS))


@given(st.floats(0.1, 5), st.floats(1.1, 3))
def test_novelty_grows_with_distance(distance: float, factor: float) -> None:
    logits = np.full((2, TAGS), distance)
    assert NOVELTY.score(logits * factor) > NOVELTY.score(logits)


def test_nan_in_one_window_is_nonmusic() -> None:
    embeddings = np.zeros((2, len(NO_NONMUSIC_DETECTION) - 1))
    assert not is_nonmusic(NO_NONMUSIC_DETECTION, embeddings)
    embeddings[0, 0] = np.nan
    assert is_nonmusic(NO_NONMUSIC_DETECTION, embeddings)


def test_track_without_embeddings_is_music() -> None:
    rejects_all = np.append(NO_NONMUSIC_DETECTION[:-1], 1.0)
    assert is_nonmusic(rejects_all, np.zeros((1, len(rejects_all) - 1)))
    assert not is_nonmusic(rejects_all, np.empty((0, len(rejects_all) - 1)))


def test_fit_finds_tracks_of_unknown_genres_more_novel() -> None:
    centroids = RNG.normal(scale=3, size=(4, TAGS))
    genre = np.arange(120) % 3
    logits = centroids[genre] + RNG.normal(size=(120, TAGS))
    novelty = fit_novelty(logits, genre)
    assert novelty.centroids.shape == (3, TAGS)
    known = [novelty.score(row[np.newaxis]) for row in logits]
    other = novelty.score(centroids[3:])
    assert other > max(known)


def test_fit_leaves_out_genres_without_tracks() -> None:
    logits = RNG.normal(size=(10, TAGS))
    novelty = fit_novelty(logits, np.array([0, 2] * 5))
    assert len(novelty.centroids) == 2
