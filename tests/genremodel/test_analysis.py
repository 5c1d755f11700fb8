from __future__ import annotations

import numpy as np
import pytest

from genremodel.analysis import EMBEDDING_SIZE, OUTPUT_SIZE, TAGS, Analysis, NetworkOutputs

RNG = np.random.default_rng(0)
VALUES = RNG.random((3, OUTPUT_SIZE)).astype(np.float16)
ANALYSIS = Analysis(np.array([0.5, 3.5, 6.5]), np.array([True, False, True]), VALUES)
EMPTY = Analysis(np.empty(0), np.empty(0, np.bool_), np.empty((0, 0), np.float16))


def test_split_is_the_inverse_of_join() -> None:
    sizes = (TAGS, EMBEDDING_SIZE, TAGS)
    outputs = NetworkOutputs(*(RNG.random((4, size)) for size in sizes))
    for part, again in zip(outputs, NetworkOutputs.split(outputs.join()), strict=True):
        np.testing.assert_array_equal(part, again)


def test_named_parts() -> None:
    parts = (ANALYSIS.activations, ANALYSIS.embeddings, ANALYSIS.expert_activations)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), VALUES)


def test_embedding_is_normalized_mean_of_audible_windows() -> None:
    mean = ANALYSIS.embeddings[[0, 2]].mean(axis=0, dtype=np.float64)
    embedding = ANALYSIS.embedding
    assert embedding is not None
    assert np.linalg.norm(embedding) == pytest.approx(1)
    np.testing.assert_allclose(embedding, mean / np.linalg.norm(mean))


def test_analysis_without_windows() -> None:
    assert EMPTY.activations.shape == (0, TAGS)
    assert EMPTY.embedding is None


def test_features_of_the_fallback_have_no_named_parts() -> None:
    features = Analysis(np.zeros(1), np.ones(1, np.bool_), np.zeros((1, 132), np.float16))
    with pytest.raises(ValueError, match="expected 300 values"):
        features.activations  # noqa: B018


@pytest.mark.parametrize("analysis", [ANALYSIS, EMPTY], ids=["windows", "empty"])
def test_bytes_round_trip(analysis: Analysis) -> None:
    again = Analysis.from_bytes(analysis.to_bytes(), len(analysis.starts))
    for name in ("starts", "audible", "values"):
        np.testing.assert_array_equal(getattr(again, name), getattr(analysis, name))


def test_truncated_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        Analysis.from_bytes(ANALYSIS.to_bytes()[:-2], 3)
