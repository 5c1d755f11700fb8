"""The public API of genremodel, as its documentation shows it."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

import genremodel
from genremodel import (
    Analysis,
    AnalysisTimeout,
    AudioError,
    GenreClassifier,
    GenreModelError,
    ModelError,
    Prediction,
    UnknownGenreError,
)
from genremodel.audio.windows import read_windows
from tests.sounds import CONTAINERS, RATE, drums, make, melody, write
from tests.variants import variants


@pytest.fixture(scope="module")
def classifier() -> GenreClassifier:
    return GenreClassifier(min_confidence=0)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("songs")
    return [make(folder / f"{seed}.wav", seconds=45, seed=seed) for seed in range(3)]


def decode(path: Path) -> tuple[NDArray[np.int16], int]:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray().astype(np.int16) for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    samples: NDArray[np.int16] = np.concatenate(frames, axis=1).reshape(-1, 2).T
    return samples, rate


def test_one_track(classifier: GenreClassifier, songs: list[Path]) -> None:
    prediction = classifier.predict(songs[0])
    assert prediction.genre in classifier.genres
    assert prediction.confidence == pytest.approx(0.5, abs=0.5)
    assert prediction.reason is None
    assert prediction.genre is not None
    assert 0 < prediction.probabilities[prediction.genre] < 1
    assert prediction.windows[0].start == pytest.approx(2.1)
    assert prediction.model == classifier.model_id


def test_sources_give_equal_predictions(classifier: GenreClassifier, songs: list[Path]) -> None:
    path = songs[0]
    expected = classifier.predict(path)
    assert classifier.predict(str(path)) == expected
    assert classifier.predict(bytes(path)) == expected
    with path.open("rb") as file:
        file.read(100)
        assert classifier.predict(file) == expected
        assert not file.closed
    assert classifier.predict(io.BytesIO(path.read_bytes())) == expected
    assert classifier.predict(decode(path)) == expected
    assert classifier.predict(classifier.analyze(path)) == expected


@pytest.mark.parametrize("kind", CONTAINERS)
def test_file_objects_of_every_container(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=16)  # so long that five windows are sought
    from_path = read_windows(path, 5)
    from_object = read_windows(io.BytesIO(path.read_bytes()), 5)
    np.testing.assert_array_equal(from_object.starts, from_path.starts)
    np.testing.assert_array_equal(from_object.samples, from_path.samples)


@pytest.mark.parametrize(
    "dtype", variants([np.float32, np.float64, np.int16, np.int32], default=[np.float64, np.int16])
)
def test_samples_of_every_type(dtype: type[np.generic], tmp_path: Path) -> None:
    sound = drums(40)
    expected = read_windows(write(tmp_path / "a.wav", sound))
    scale = 1 if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).max  # type: ignore[type-var]
    found = read_windows(((sound * scale).astype(dtype), RATE))
    np.testing.assert_array_equal(found.starts, expected.starts)
    np.testing.assert_allclose(found.samples, expected.samples, atol=1e-3)


def test_mono_samples() -> None:
    sound = melody(5)[:1]
    mono, stereo = read_windows((sound[0], RATE)), read_windows((np.tile(sound, (2, 1)), RATE))
    np.testing.assert_allclose(mono.samples, stereo.samples, atol=1e-6)


def test_samples_of_the_wrong_shape(classifier: GenreClassifier) -> None:
    with pytest.raises(ValueError, match=r"not \(44100, 2\)"):
        classifier.predict((np.zeros((RATE, 2)), RATE))
    with pytest.raises(ValueError, match="samples of type complex128"):
        classifier.predict((np.zeros(RATE, complex), RATE))
    with pytest.raises(AudioError):
        classifier.predict((np.empty(0, np.float32), RATE))


def test_file_object_without_audio(classifier: GenreClassifier) -> None:
    with pytest.raises(AudioError, match="Invalid data"):
        classifier.predict(io.BytesIO(b"la la la"))


def test_many_tracks_with_a_broken_one(
    classifier: GenreClassifier, songs: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_text("la la la")
    paths = [songs[0], broken, songs[1]]
    for _ in range(2):  # the second time from the cache
        results = list(classifier.predict_many(paths, workers=2, cache=tmp_path / "cache.db"))
        assert [path for path, _ in results] == paths
        assert results[0][1] == classifier.predict(songs[0])
        assert isinstance(results[1][1], AudioError)
        assert results[2][1] == classifier.predict(songs[1])


def test_abandoned_predict_many_stops_its_workers(
    classifier: GenreClassifier, songs: list[Path]
) -> None:
    import multiprocessing

    results = classifier.predict_many(songs * 20, workers=1)
    assert isinstance(next(results)[1], Prediction)
    assert multiprocessing.active_children()
    results.close()
    assert not multiprocessing.active_children()


def test_predict_many_warns_of_an_unusable_cache(
    classifier: GenreClassifier, songs: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        (result,) = classifier.predict_many(songs[:1], workers=1, cache=tmp_path / "no" / "a.db")
    assert isinstance(result[1], Prediction)
    assert caplog.messages == [
        f"running without the analysis cache: {tmp_path / 'no'}: no such folder"
    ]


def test_album(classifier: GenreClassifier, songs: list[Path]) -> None:
    predictions = [classifier.predict(song) for song in songs]
    album = classifier.predict_album(predictions)
    assert album.genre in {prediction.genre for prediction in predictions}
    assert sum(album.votes.values()) == len(songs)


def test_analysis(classifier: GenreClassifier, songs: list[Path]) -> None:
    analysis = classifier.analyze(songs[0])
    assert isinstance(analysis, Analysis)
    assert analysis.activations.shape == (10, 50)
    assert analysis.embeddings.shape == (10, 200)
    assert analysis.embedding is not None
    assert np.linalg.norm(analysis.embedding) == pytest.approx(1)


def test_custom_model(classifier: GenreClassifier, tmp_path: Path) -> None:
    from genremodel.custom import LabeledTrack, train

    tracks = [
        LabeledTrack(
            classifier.analyze((sound(4, seed), RATE)), genres=[genre], artist=f"{genre} {seed}"
        )
        for genre, sound in (("Tune", melody), ("Loop", drums))
        for seed in range(8)
    ]
    model, _ = train(tracks, name="mine", features_version=classifier.features_version)
    model.save(tmp_path / "mine.json")
    for source in (model, tmp_path / "mine.json", str(tmp_path / "mine.json")):
        custom = GenreClassifier(source, min_confidence=0)
        assert custom.is_custom
        assert custom.genres == ("Loop", "Tune")
        assert custom.predict((drums(4, 9), RATE)).genre in ("Loop", None)
    with pytest.raises(ModelError, match="needs the CNN"):
        GenreClassifier(model, backend="knn")
    with pytest.raises(ModelError, match="another version") as caught:
        GenreClassifier(train(tracks, name="old", features_version="0")[0])
    assert (caught.value.retrain, caught.value.field) == ("old", "genres")


def test_excluded_genres(songs: list[Path]) -> None:
    first = GenreClassifier(min_confidence=0).predict(songs[0]).genre
    assert first
    excluding = GenreClassifier(min_confidence=0, exclude=[first.upper()])
    assert excluding.predict(songs[0]).genre not in (first, None)
    with pytest.raises(UnknownGenreError) as caught:
        GenreClassifier(exclude=["polka", "jazz", "ska"])
    assert caught.value.unknown == ("polka", "ska")
    assert "jazz" in caught.value.known
    with pytest.raises(UnknownGenreError, match="all genres of the model are excluded"):
        GenreClassifier(exclude=excluding.genres)


def test_errors_share_a_base_class() -> None:
    for error in (AudioError, AnalysisTimeout, ModelError, UnknownGenreError):
        assert issubclass(error, GenreModelError)


def test_public_names() -> None:
    for name in genremodel.__all__:
        assert getattr(genremodel, name) is not None
    assert genremodel.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        genremodel.nothing  # noqa: B018


def test_version_costs_nothing_until_it_is_read() -> None:
    code = "import genremodel.errors, sys; assert 'importlib.metadata' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
