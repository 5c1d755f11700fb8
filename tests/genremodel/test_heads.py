from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from genremodel.analysis import OUTPUT_SIZE, TAGS, NetworkOutputs
from genremodel.audio.params import WINDOW_SAMPLES
from genremodel.audio.windows import Windows
from genremodel.models.heads import GenreHeads, LinearHead, tag_logits
from genremodel.models.musicnn import MusicnnPair
from genremodel.models.nonmusic import NO_NONMUSIC_DETECTION
from genremodel.models.novelty import NONMUSIC_NOVELTY, Novelty

RNG = np.random.default_rng(0)
MSD = LinearHead(RNG.normal(size=(TAGS, 3)), np.zeros(3))
BOTH = LinearHead(RNG.normal(size=(2 * TAGS, 3)), np.zeros(3))
NOVELTY = Novelty(np.zeros((1, TAGS)), np.eye(TAGS))


def outputs(windows: int, by_both: int) -> NetworkOutputs:
    """Return outputs with only the first windows analyzed by both networks."""
    rng = np.random.default_rng(1)
    made = NetworkOutputs.split(rng.uniform(0.01, 0.99, (windows, OUTPUT_SIZE)))
    made.expert_activations[by_both:] = made.expert_embeddings[by_both:] = np.nan
    return made


def heads(weight: float = 0.5, bias: float = 0.0) -> GenreHeads:
    """Return heads with a detector of non-music that has only a bias."""
    nonmusic = np.append(NO_NONMUSIC_DETECTION[:-1], bias)
    return GenreHeads(MSD, BOTH, NOVELTY, nonmusic, weight)


def probabilities(weight: float, made: NetworkOutputs) -> NDArray[np.float64]:
    return heads(weight).predict_proba(made.join()).probabilities


def test_second_head_is_mixed_into_every_window() -> None:
    made = outputs(4, by_both=2)
    alone = MSD.predict_proba(tag_logits(made.activations))
    both = np.concatenate([made.activations, made.expert_activations], axis=1)[:2]
    track = BOTH.predict_proba(tag_logits(both)).mean(axis=0)
    np.testing.assert_allclose(probabilities(0, made), alone)
    np.testing.assert_allclose(probabilities(1, made), np.tile(track, (4, 1)))
    mixed = np.sqrt(alone * track)
    expected = mixed / mixed.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities(0.5, made), expected)


def test_first_head_alone_if_second_network_analyzed_nothing() -> None:
    made = outputs(4, by_both=0)
    alone = MSD.predict_proba(tag_logits(made.activations))
    np.testing.assert_allclose(probabilities(0.5, made), alone)


def test_heads_may_be_certain_of_different_genres() -> None:
    """Probabilities that are rounded to 0 are no reason for warnings and NaN."""
    certain = GenreHeads(
        LinearHead(np.zeros((TAGS, 3)), np.array([2e3, 0, 0])),
        LinearHead(np.zeros((2 * TAGS, 3)), np.array([0, 2e3, 0])),
        NOVELTY,
        NO_NONMUSIC_DETECTION,
        0.5,
    )
    found = certain.predict_proba(outputs(2, by_both=2).join()).probabilities
    np.testing.assert_allclose(found, [[0.5, 0.5, 0]] * 2, atol=1e-12)


def test_arrays_round_trip() -> None:
    values = outputs(3, by_both=3).join()
    expected = heads(bias=1.0).predict_proba(values)
    again = GenreHeads.from_arrays(heads(bias=1.0).to_arrays()).predict_proba(values)
    np.testing.assert_array_equal(again.probabilities, expected.probabilities)
    assert again.novelty == expected.novelty


def test_nonmusic_has_maximal_novelty() -> None:
    values = outputs(3, by_both=2).join()
    assert heads(bias=1.0).predict_proba(values).novelty == NONMUSIC_NOVELTY
    assert heads(bias=-1.0).predict_proba(values).novelty < NONMUSIC_NOVELTY
    unknown = outputs(3, by_both=0).join()
    assert heads(bias=1.0).predict_proba(unknown).novelty < NONMUSIC_NOVELTY


@pytest.mark.parametrize("silent", [[], [0, 1, 2, 3], [0, 1, 2, 3, 4]])
def test_second_network_analyzes_audible_windows_only(silent: list[int]) -> None:
    samples = RNG.normal(scale=0.1, size=(5, WINDOW_SAMPLES)).astype(np.float32)
    samples[silent] = 0
    found = MusicnnPair.bundled().run(Windows(np.arange(5.0), samples))
    activations, embeddings, expert_activations, expert_embeddings = NetworkOutputs.split(found)
    analyzed = np.isfinite(expert_activations).all(axis=1)
    assert (analyzed == np.isfinite(expert_embeddings).all(axis=1)).all()
    assert analyzed.sum() == min(3, 5 - len(silent))
    assert not analyzed[silent].any()
    assert np.isfinite(activations).all()
    assert np.isfinite(embeddings).all()
