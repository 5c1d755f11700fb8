from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from genremodel import GenreClassifier
from genremodel.analysis import OUTPUT_SIZE, TAGS, Analysis
from genremodel.models import bundled as assets
from genremodel.styles import Style, album_styles, bundled_styles, track_styles
from tests.sounds import make, melody, write

STYLES = (Style("folk", 0, 0.2), Style("punk", 1, 0.1), Style("soul", 3, 0.4))
NAMES = {style.name for style in STYLES}


def analysis(*windows: list[float], audible: list[bool] | None = None) -> Analysis:
    mask = np.ones(len(windows), np.bool_) if audible is None else np.array(audible)
    return _analysis(np.array(windows), mask)


def _analysis(activations: NDArray[np.floating], audible: NDArray[np.bool_]) -> Analysis:
    """Return an analysis with the activations of the first tags, and zeros for all else."""
    windows, tags = activations.shape
    rest = OUTPUT_SIZE - tags
    values = np.pad(activations, ((0, 0), (0, rest))).astype(np.float16)
    return Analysis(np.arange(float(windows)), audible, values)


@st.composite
def analyses(draw: st.DrawFn) -> Analysis:
    windows = draw(st.integers(1, 8))
    activations = draw(arrays(np.float32, (windows, 6), elements=st.floats(0, 1, width=32)))
    return _analysis(activations, draw(arrays(np.bool_, windows)))


def test_styles_are_ranked_by_activation_over_threshold() -> None:
    assert track_styles(analysis([0.3, 0.3, 0.9, 0.3]), STYLES, 3) == ("punk", "folk")
    assert track_styles(analysis([0.3, 0.3, 0.9, 0.3]), STYLES, 1) == ("punk",)
    assert track_styles(analysis([0.1, 0.05, 0.9, 0.3]), STYLES, 3) == ()


def test_mean_of_audible_windows_counts() -> None:
    loud, quiet, silent = [0.5, 0, 0, 0.0], [0.0, 0, 0, 0.0], [0, 1.0, 0, 1.0]
    assert track_styles(analysis(loud, quiet), STYLES, 3) == ("folk",)
    assert track_styles(analysis(loud, quiet, quiet), STYLES, 3) == ()
    track = analysis(loud, silent, audible=[True, False])
    assert track_styles(track, STYLES, 3) == ("folk",)
    assert track_styles(analysis(silent, audible=[False]), STYLES, 3) == ()


@given(analyses(), st.integers(0, 4))
def test_limit_and_names(track: Analysis, limit: int) -> None:
    found = track_styles(track, STYLES, limit)
    assert len(found) <= limit
    assert len(set(found)) == len(found)
    assert set(found) <= NAMES
    assert found == track_styles(track, STYLES, len(STYLES))[:limit]


@given(analyses(), st.integers(0, 4), st.sampled_from(STYLES), st.floats(0, 1))
def test_higher_activation_never_removes_a_style(
    track: Analysis, limit: int, style: Style, more: float
) -> None:
    values = track.values.copy()
    values[:, style.column] = np.minimum(values[:, style.column] + np.float16(more), 1)
    before = track_styles(track, STYLES, limit)
    after = track_styles(replace(track, values=values), STYLES, limit)
    if style.name in before:
        assert style.name in after
        assert after.index(style.name) <= before.index(style.name)


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        ([], ()),
        ([()], ()),
        ([("folk",), ("punk", "folk")], ("folk", "punk")),
        ([("folk",), ("punk", "folk"), ()], ("folk",)),
        ([("a", "b", "c"), ("c", "b")], ("b", "c")),
    ],
)
def test_album_styles(tracks: list[tuple[str, ...]], expected: tuple[str, ...]) -> None:
    assert album_styles(tracks, 2) == expected
    assert album_styles(tracks, 0) == ()


def test_bundled_styles() -> None:
    styles = bundled_styles()
    names = [style.name for style in styles]
    assert names == sorted(set(names))
    assert {"folk", "house", "progressive rock", "r&b"} <= set(names)
    assert not set(names) & set(assets.description()["genres"])
    assert all(name == name.lower() for name in names)
    assert all(0.1 <= style.threshold < 1 for style in styles)
    columns = {style.column for style in styles}
    assert len(columns) == len(styles)
    assert max(columns) < TAGS == len(assets.description()["tags"])


def test_max_styles(tmp_path: Path) -> None:
    song = make(tmp_path / "song.flac", seconds=12)
    many = GenreClassifier(max_styles=10).predict(song)
    assert len(many.styles) > 3
    assert GenreClassifier().predict(song).styles == many.styles[:3]
    none = GenreClassifier(max_styles=0).predict(song)
    assert none == replace(many, styles=())
    assert GenreClassifier(backend="knn").predict(song).styles == ()


def test_abstaining_track_has_styles_but_silent_one_has_none(tmp_path: Path) -> None:
    classifier = GenreClassifier(min_confidence=1)
    doubtful = classifier.predict(make(tmp_path / "song.flac", seconds=12))
    silent = classifier.predict(write(tmp_path / "silence.flac", melody(5) * 0))
    assert (doubtful.genre, len(doubtful.styles)) == (None, 3)
    assert (silent.genre, silent.styles) == (None, ())
    assert classifier.predict_album([doubtful, silent]).styles == doubtful.styles
    assert classifier.predict_album([doubtful, silent, silent]).styles == ()
