"""`windows: auto`: three windows of a track where they are enough, otherwise ten."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from genremodel import GenreClassifier
from genremodel.analysis import Analysis
from genremodel.audio.windows import read_in_parts, read_windows
from tests.sounds import RATE, drums, make, melody

THRESHOLD = 0.9


@cache
def sure() -> NDArray[np.float32]:
    """Return music that `auto` predicts from three windows."""
    return melody(60)


@pytest.fixture(scope="module")
def auto() -> GenreClassifier:
    return GenreClassifier(windows="auto", min_confidence=THRESHOLD)


@pytest.fixture(scope="module")
def ten() -> GenreClassifier:
    return GenreClassifier(min_confidence=THRESHOLD)


def assert_equal(found: Analysis, expected: Analysis) -> None:
    np.testing.assert_array_equal(found.places, expected.places)
    np.testing.assert_array_equal(found.starts, expected.starts)
    np.testing.assert_allclose(found.values, expected.values, rtol=2e-3, atol=1e-3)


def test_three_windows_are_enough_if_they_agree(
    auto: GenreClassifier, ten: GenreClassifier
) -> None:
    found, expected = auto.analyze((sure(), RATE)), ten.analyze((sure(), RATE))
    assert_equal(found, expected.select(3))
    prediction, by_ten = auto.predict(found), ten.predict(expected)
    assert prediction.genre == by_ten.genre is not None
    assert sum(prediction.votes.values()) == 3


def test_others_have_ten_windows(auto: GenreClassifier, ten: GenreClassifier) -> None:
    unsure = drums(60), RATE  # with the threshold of `auto`
    found, expected = auto.analyze(unsure), ten.analyze(unsure)
    assert ten.predict(expected).genre is None
    assert_equal(found, expected)


def test_excluded_genre_is_not_enough(auto: GenreClassifier) -> None:
    genre = auto.predict((sure(), RATE)).genre
    assert genre
    other = GenreClassifier(windows="auto", min_confidence=THRESHOLD, exclude=[genre])
    assert len(other.analyze((sure(), RATE)).starts) == 10


@pytest.mark.parametrize(("begin", "end"), [(0, 12), (20, 40), (5, 58)])
def test_silent_windows_are_replaced(
    auto: GenreClassifier, ten: GenreClassifier, begin: int, end: int
) -> None:
    sound = sure().copy()
    sound[..., begin * RATE : end * RATE] = 0
    found = auto.analyze((sound, RATE))
    assert found.audible.all()
    assert_equal(found, ten.analyze((sound, RATE)).select(3))


@pytest.mark.parametrize("seconds", [0.5, 2, 5, 8, 25])
def test_short_tracks(auto: GenreClassifier, ten: GenreClassifier, seconds: float) -> None:
    found, expected = (each.predict((melody(seconds), RATE)) for each in (auto, ten))
    assert (found.genre, found.reason) == (expected.genre, expected.reason)


def test_knn_fallback_has_ten_windows() -> None:
    classifier = GenreClassifier(windows="auto", backend="knn")
    assert len(classifier.analyze((sure(), RATE)).starts) == 10


def test_ten_cached_windows_are_not_decoded_again(
    auto: GenreClassifier, ten: GenreClassifier, tmp_path: Path
) -> None:
    path, cache = make(tmp_path / "a.flac", seconds=60), tmp_path / "cache.db"
    with ten.pool(workers=1, cache=cache) as pool:
        expected = pool.submit(path).result().select(3)
    with auto.pool(workers=1, cache=cache) as pool:
        found = pool.lookup_audio(path)
    assert found is not None
    assert_equal(found, expected)


@pytest.mark.parametrize("kind", ["flac", "mp3"])
def test_cached_windows_are_completed(
    auto: GenreClassifier, ten: GenreClassifier, tmp_path: Path, kind: str
) -> None:
    path, cache = make(tmp_path / f"a.{kind}", seconds=60), tmp_path / "cache.db"
    for classifier, windows in ((auto, 3), (ten, 10), (auto, 3)):
        with classifier.pool(workers=1, cache=cache) as pool:
            assert len(pool.submit(path).result().starts) == windows
    with ten.pool(workers=1, cache=cache) as pool:
        assert_equal(pool.submit(path).result(), ten.analyze(path))
    with closing(sqlite3.connect(cache)) as database:
        assert database.execute("SELECT COUNT(*) FROM analyses").fetchone() == (1,)


@pytest.mark.parametrize("kind", ["flac", "mp3", "vbr.mp3", "opus", "wav"])
def test_parts_are_the_windows_of_one_pass(tmp_path: Path, kind: str) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=60)
    expected = read_windows(path)
    first, others = read_in_parts(path, 10, (3, 10))
    assert (first.places ^ others.places).all()
    for part in (first, others):
        np.testing.assert_array_equal(part.starts, expected.starts[part.places])
        # The first millisecond may have a trace of the window before, see `WindowDecoder`.
        found, wanted = part.samples[:, 16:], expected.samples[part.places][:, 16:]
        np.testing.assert_array_equal(found, wanted)


def test_known_windows_are_not_decoded(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp3", seconds=60)
    known = read_windows(path, 10, 3)
    (others,) = read_in_parts(path, 10, (10,), known.starts)
    assert len(others.starts) == 7
    assert not np.isin(others.starts, known.starts).any()


def test_known_windows_at_other_places_are_decoded_again(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp3", seconds=60)
    (others,) = read_in_parts(path, 10, (10,), [0.5, 1.5])
    assert others.places.all()
