from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from genremodel.analysis import EMBEDDING_SIZE, OUTPUT_SIZE, TAGS, Analysis, NetworkOutputs
from genremodel.audio.places import chosen_places

RNG = np.random.default_rng(0)
VALUES = RNG.random((3, OUTPUT_SIZE)).astype(np.float16)
ANALYSIS = Analysis(np.array([0.5, 3.5, 6.5]), np.array([True, False, True]), VALUES)
EMPTY = Analysis(np.empty(0), np.empty(0, np.bool_), np.empty((0, 0), np.float16))


def test_split_is_the_inverse_of_join() -> None:
    sizes = (TAGS, EMBEDDING_SIZE) * 2
    outputs = NetworkOutputs(*(RNG.random((4, size)) for size in sizes))
    for part, again in zip(outputs, NetworkOutputs.split(outputs.join()), strict=True):
        np.testing.assert_array_equal(part, again)


def test_named_parts() -> None:
    parts = (
        ANALYSIS.activations,
        ANALYSIS.embeddings,
        ANALYSIS.expert_activations,
        ANALYSIS.expert_embeddings,
    )
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
    with pytest.raises(ValueError, match="expected 500 values"):
        features.activations  # noqa: B018


def analysis(silent: Sequence[int] = (), places: Sequence[int] = range(10)) -> Analysis:
    """Return an analysis of some of ten places."""
    values = np.random.default_rng(0).random((10, OUTPUT_SIZE)).astype(np.float16)[[*places]]
    both = [1, 5, 8]
    values[~np.isin(places, both), OUTPUT_SIZE // 2 :] = np.nan
    analyzed = np.isin(np.arange(10), places)
    return Analysis(
        np.arange(10.0)[analyzed],
        ~np.isin(places, silent),
        values,
        None if analyzed.all() else analyzed,
    )


FEATURES = Analysis(np.zeros(2), np.ones(2, np.bool_), np.ones((2, 132), np.float16))


@pytest.mark.parametrize(
    "analysis",
    [ANALYSIS, EMPTY, FEATURES, analysis(), analysis(places=[1, 5, 8]), analysis(silent=[3])],
    ids=["windows", "empty", "features", "ten", "three of ten", "silent"],
)
def test_bytes_round_trip(analysis: Analysis) -> None:
    again = Analysis.from_bytes(analysis.to_bytes())
    for name in ("starts", "audible", "values", "places"):
        np.testing.assert_array_equal(getattr(again, name), getattr(analysis, name))


def test_bytes_leave_out_missing_outputs() -> None:
    """Half precision: the first network's outputs of ten windows, the second's of three."""
    size = len(analysis().to_bytes())
    outputs = 2 * OUTPUT_SIZE // 2 * (10 + 3)
    assert outputs < size < outputs + 150


@pytest.mark.parametrize("cut", [1, 2, 400, 7000])
def test_damaged_bytes_are_refused(cut: int) -> None:
    content = analysis().to_bytes()
    for damaged in (content[:-cut], content + bytes(cut), bytes(cut)):
        with pytest.raises(ValueError):  # noqa: PT011  # of this module or NumPy
            Analysis.from_bytes(damaged)


@pytest.mark.parametrize("count", range(1, 13))
def test_ten_windows_serve_requests_for_fewer(count: int) -> None:
    ten = analysis()
    part = ten.select(count)
    chosen = chosen_places(count, 10)
    np.testing.assert_array_equal(part.starts, chosen)
    np.testing.assert_array_equal(part.values, ten.values[chosen])
    again = Analysis.from_bytes(part.to_bytes())
    assert again.has(count)
    np.testing.assert_array_equal(again.select(count).values, part.values)
    assert again.has(10) == (count >= 10)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("silent", [[1], [5, 8], [1, 5, 8], [0, 1, 4, 5]])
def test_audible_windows_are_selected_first(silent: list[int], count: int) -> None:
    part = analysis(silent).select(count)
    if count < 10 - len(silent):
        assert part.audible.all()
        assert len(part.starts) == count
    else:
        assert part.audible.sum() == 10 - len(silent)


def test_silent_windows_elsewhere_do_not_change_the_selection() -> None:
    part = analysis(silent=[0, 9]).select(3)
    np.testing.assert_array_equal(part.starts, [1, 5, 8])
