from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from genremodel import GenreClassifier
from genremodel.analysis import OUTPUT_SIZE, TAGS, Analysis
from genremodel.models import bundled as assets
from genremodel.style_hierarchy import (
    fitting_styles,
    style_after,
    styles_after_genre,
    styles_by_genre,
)
from genremodel.styles import Style, album_styles, bundled_styles, track_styles
from tests.sounds import make, melody, write

STYLES = (Style("folk", 0, 0.2), Style("punk", 1, 0.1), Style("soul", 3, 0.4))
NAMES = {style.name for style in STYLES}
EVERY = frozenset[str]().union(*styles_by_genre().values())
# The melody of the tests is electronic, if only this is to be predicted.
ELECTRONIC: Any = {"min_confidence": 0, "exclude": {*styles_by_genre()} - {"electronic"}}


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
    assert track_styles(analysis([0.3, 0.3, 0.9, 0.3]), STYLES) == ("punk", "folk")
    assert track_styles(analysis([0.1, 0.05, 0.9, 0.3]), STYLES) == ()


def test_styles_that_may_stand_after_a_genre_come_first() -> None:
    styles = [*STYLES, Style("indie", 2, 0.8)]
    assert track_styles(analysis([0.3, 0.3, 0.9, 0.3]), styles) == ("indie", "punk", "folk")


def test_mean_of_audible_windows_counts() -> None:
    loud, quiet, silent = [0.5, 0, 0, 0.0], [0.0, 0, 0, 0.0], [0, 1.0, 0, 1.0]
    assert track_styles(analysis(loud, quiet), STYLES) == ("folk",)
    assert track_styles(analysis(loud, quiet, quiet), STYLES) == ()
    track = analysis(loud, silent, audible=[True, False])
    assert track_styles(track, STYLES) == ("folk",)
    assert track_styles(analysis(silent, audible=[False]), STYLES) == ()


@given(analyses())
def test_styles_are_unique_and_known(track: Analysis) -> None:
    found = track_styles(track, STYLES)
    assert len(set(found)) == len(found)
    assert set(found) <= NAMES


@given(analyses(), st.sampled_from(STYLES), st.floats(0, 1))
def test_higher_activation_never_removes_a_style(
    track: Analysis, style: Style, more: float
) -> None:
    values = track.values.copy()
    values[:, style.column] = np.minimum(values[:, style.column] + np.float16(more), 1)
    before = track_styles(track, STYLES)
    after = track_styles(replace(track, values=values), STYLES)
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
    assert {"folk", "house", "r&b"} <= set(names)
    assert not set(names) & set(assets.description()["genres"])
    assert all(name == name.lower() for name in names)
    assert all(0.08 <= style.threshold < 1 for style in styles)
    columns = {style.column for style in styles}
    assert len(columns) == len(styles)
    assert set(names) == EVERY
    assert styles_by_genre().keys() == set(assets.description()["genres"])
    for name, threshold in styles_after_genre().items():
        assert styles[names.index(name)].threshold == threshold
    assert max(columns) < TAGS == len(assets.description()["tags"])


def test_max_styles(tmp_path: Path) -> None:
    song = make(tmp_path / "song.flac", seconds=12)
    many = GenreClassifier(max_styles=10, **ELECTRONIC).predict(song)
    assert many.genre == "electronic"
    assert len(many.styles) > 3
    assert set(many.styles) <= styles_by_genre()["electronic"]
    assert GenreClassifier(**ELECTRONIC).predict(song).styles == many.styles[:3]
    none = GenreClassifier(max_styles=0, **ELECTRONIC).predict(song)
    assert none == replace(many, styles=())
    assert GenreClassifier(backend="knn").predict(song).styles == ()


def test_only_tracks_and_albums_with_a_genre_have_styles(tmp_path: Path) -> None:
    song = make(tmp_path / "song.flac", seconds=12)
    abstaining, sure = GenreClassifier(min_confidence=1), GenreClassifier(**ELECTRONIC)
    doubtful, decided = abstaining.predict(song), sure.predict(song)
    silent = sure.predict(write(tmp_path / "silence.flac", melody(5) * 0))
    assert (doubtful.genre, doubtful.styles) == (None, ())
    assert len(doubtful.detected_styles) > 3
    assert (silent.genre, silent.styles, silent.detected_styles) == (None, (), ())
    assert abstaining.predict_album([doubtful, silent]).styles == ()
    assert sure.styles_under(doubtful, "electronic") == decided.styles
    assert sure.predict_album([decided, silent]).styles == decided.styles
    assert sure.predict_album([decided, silent, silent]).styles == ()


names = st.lists(st.sampled_from(sorted({*EVERY, "polka", "progressive rock"})), unique=True)


@given(names, st.lists(st.sampled_from([*styles_by_genre(), "folk", "techno"]), max_size=3))
def test_fitting_styles(styles: list[str], genres: list[str]) -> None:
    found = fitting_styles(styles, genres)
    assert [*found] == [style for style in styles if style in found], "the same order"
    assert fitting_styles(found, genres) == found
    assert {"polka", "progressive rock"} & set(styles) <= set(found), "no styles of the model"
    known = [styles_by_genre()[genre] for genre in genres if genre in styles_by_genre()]
    if known:
        assert set(found) & EVERY <= frozenset[str]().union(*known)
    else:
        assert [*found] == styles


@given(names, st.sampled_from([*styles_by_genre(), "Rock", "folk", "black metal"]))
def test_style_after_a_genre_fits_it(styles: list[str], genre: str) -> None:
    found = style_after(genre, styles)
    if found:
        assert found in fitting_styles(styles, [genre.lower()])
        assert found in styles_after_genre()
    else:
        fitting = styles_by_genre().get(genre.lower(), frozenset())
        assert not set(styles) & styles_after_genre().keys() & fitting
