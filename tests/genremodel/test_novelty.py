from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genremodel.analysis import EMBEDDING_SIZE, TAGS
from genremodel.models.novelty import NONMUSIC_NOVELTY, Novelty, fit_novelty

RNG = np.random.default_rng(0)
NOVELTY = Novelty(np.zeros((1, TAGS)), np.eye(TAGS), np.append(np.zeros(EMBEDDING_SIZE), -1.0))


@given(st.floats(0.1, 5), st.floats(1.1, 3))
def test_novelty_grows_with_distance(distance: float, factor: float) -> None:
    logits = np.full((2, TAGS), distance)
    nothing = np.empty((2, 0))
    assert NOVELTY.score(logits * factor, nothing) > NOVELTY.score(logits, nothing)


def test_nonmusic_has_maximal_novelty() -> None:
    strict = Novelty(NOVELTY.centroids, NOVELTY.whitening, np.append(np.zeros(EMBEDDING_SIZE), 1.0))
    assert strict.score(np.zeros((1, TAGS)), np.zeros((1, EMBEDDING_SIZE))) == NONMUSIC_NOVELTY
    assert strict.score(np.zeros((1, TAGS)), np.empty((1, 0))) < NONMUSIC_NOVELTY


def test_nan_in_one_window_is_nonmusic() -> None:
    embeddings = np.zeros((2, EMBEDDING_SIZE))
    assert NOVELTY.score(np.zeros((2, TAGS)), embeddings) < NONMUSIC_NOVELTY
    embeddings[0, 0] = np.nan
    assert NOVELTY.score(np.zeros((2, TAGS)), embeddings) == NONMUSIC_NOVELTY
    embeddings[:] = np.nan  # not known
    assert NOVELTY.score(np.zeros((2, TAGS)), embeddings) < NONMUSIC_NOVELTY


def test_fit_finds_tracks_of_unknown_genres_more_novel() -> None:
    centroids = RNG.normal(scale=3, size=(4, TAGS))
    genre = np.arange(120) % 3
    logits = centroids[genre] + RNG.normal(size=(120, TAGS))
    novelty = fit_novelty(logits, genre, NOVELTY.nonmusic)
    assert novelty.centroids.shape == (3, TAGS)
    unknown = np.empty((1, 0))
    known = [novelty.score(row[np.newaxis], unknown) for row in logits]
    other = novelty.score(centroids[3:], unknown)
    assert other > max(known)


def test_fit_leaves_out_genres_without_tracks() -> None:
    logits = RNG.normal(size=(10, TAGS))
    novelty = fit_novelty(logits, np.array([0, 2] * 5), NOVELTY.nonmusic)
    assert len(novelty.centroids) == 2
