from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, OUTPUT_SIZE, TAGS, NetworkOutputs
from genremodel.audio.params import WINDOW_SAMPLES
from genremodel.audio.windows import Windows, evenly_spaced
from genremodel.models.heads import GenreHeads, LinearHead, tag_logits
from genremodel.models.musicnn import MusicnnPair
from genremodel.models.novelty import NONMUSIC_NOVELTY, Novelty

RNG = np.random.default_rng(0)
NETWORK = LinearHead(RNG.normal(size=(TAGS, 3)), np.zeros(3))
EXPERT = LinearHead(RNG.normal(size=(2 * TAGS, 3)), np.zeros(3))
ALL_MUSIC = np.append(np.zeros(EMBEDDING_SIZE), -1.0)
NOVELTY = Novelty(np.zeros((1, TAGS)), np.eye(TAGS), ALL_MUSIC)


def outputs(windows: int, by_expert: int) -> NetworkOutputs:
    """Return outputs of which the expert has analyzed the first windows."""
    rng = np.random.default_rng(1)
    made = NetworkOutputs.split(rng.uniform(0.01, 0.99, (windows, OUTPUT_SIZE)))
    made.expert_activations[by_expert:] = np.nan
    return made


def judged(weight: float, made: NetworkOutputs) -> NDArray[np.float64]:
    return GenreHeads(NETWORK, EXPERT, NOVELTY, weight).predict_proba(made.join()).probabilities


def test_the_expert_has_its_say_in_every_window() -> None:
    made = outputs(4, by_expert=2)
    alone = NETWORK.predict_proba(tag_logits(made.activations))
    both = np.concatenate([made.activations, made.expert_activations], axis=1)[:2]
    opinion = EXPERT.predict_proba(tag_logits(both)).mean(axis=0)
    np.testing.assert_allclose(judged(0, made), alone)
    np.testing.assert_allclose(judged(1, made), np.tile(opinion, (4, 1)))
    mixed = np.sqrt(alone * opinion)
    expected = mixed / mixed.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(judged(0.5, made), expected)


def test_without_the_expert_the_network_decides_alone() -> None:
    made = outputs(4, by_expert=0)
    alone = NETWORK.predict_proba(tag_logits(made.activations))
    np.testing.assert_allclose(judged(0.5, made), alone)


def test_heads_come_back_from_their_arrays() -> None:
    heads = GenreHeads(NETWORK, EXPERT, NOVELTY, 0.5)
    values = outputs(3, by_expert=3).join()
    again = GenreHeads.from_arrays(heads.to_arrays()).predict_proba(values)
    np.testing.assert_array_equal(again.probabilities, heads.predict_proba(values).probabilities)
    assert again.novelty == heads.predict_proba(values).novelty


@given(st.floats(0.1, 5), st.floats(1.1, 3))
def test_novelty_grows_with_the_distance(distance: float, factor: float) -> None:
    place = np.full((2, TAGS), distance)
    nothing = np.empty((2, 0))
    assert NOVELTY.score(place * factor, nothing) > NOVELTY.score(place, nothing)


def test_what_is_no_music_is_as_far_as_can_be() -> None:
    never = Novelty(NOVELTY.centres, NOVELTY.whitening, np.append(np.zeros(EMBEDDING_SIZE), 1.0))
    assert never.score(np.zeros((1, TAGS)), np.zeros((1, EMBEDDING_SIZE))) == NONMUSIC_NOVELTY
    assert never.score(np.zeros((1, TAGS)), np.empty((1, 0))) < NONMUSIC_NOVELTY


def test_track_with_nan_in_one_window_is_not_music() -> None:
    embeddings = np.zeros((2, EMBEDDING_SIZE))
    assert NOVELTY.score(np.zeros((2, TAGS)), embeddings) < NONMUSIC_NOVELTY
    embeddings[0, 0] = np.nan
    assert NOVELTY.score(np.zeros((2, TAGS)), embeddings) == NONMUSIC_NOVELTY
    embeddings[:] = np.nan  # not known
    assert NOVELTY.score(np.zeros((2, TAGS)), embeddings) < NONMUSIC_NOVELTY


@pytest.mark.parametrize("silent", [[], [0, 1, 2, 3], [0, 1, 2, 3, 4]])
def test_the_expert_hears_audible_windows_alone(silent: list[int]) -> None:
    samples = RNG.normal(scale=0.1, size=(5, WINDOW_SAMPLES)).astype(np.float32)
    samples[silent] = 0
    found = MusicnnPair.bundled().run(Windows(np.arange(5.0), samples))
    activations, embeddings, expert_activations = NetworkOutputs.split(found)
    heard = np.isfinite(expert_activations).all(axis=1)
    assert heard.sum() == min(3, 5 - len(silent))
    assert not heard[silent].any()
    assert np.isfinite(activations).all()
    assert np.isfinite(embeddings).all()


@given(st.integers(0, 30), st.integers(1, 12))
def test_evenly(total: int, count: int) -> None:
    chosen = evenly_spaced(np.arange(total), count)
    assert len(chosen) == min(total, count)
    assert (np.diff(chosen) > 0).all()
