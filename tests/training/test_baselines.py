"""The five student systems on a slice of the project's data, and how they are compared."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from training.baselines.baseline import View
from training.baselines.network_classifier import NetworkClassifier
from training.baselines.registry import BASELINES
from training.baselines.songwise import Songwise
from training.compare import Sources, compare, result_path
from training.comparison import document
from training.comparison.protocols import PROTOCOLS, honest, leaky, shuffled_tracks
from training.comparison.results import Result, measure, networks
from training.comparison.views import SEGMENT_FRAMES, cut
from training.datasets import gtzan_mel
from training.datasets.track import DataError
from training.songs import Songs

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="networks need PyTorch: make compare"
)


@pytest.fixture(scope="module")
def sources(data: Path) -> Sources:
    return Sources(data, every=6)


def small(model: Songwise) -> Songwise:
    """Return a model that is fitted in a second: networks stop after one epoch."""
    for network in networks(model):
        network.epochs = 1
    return model


def test_what_the_mel_spectrograms_hold(data: Path) -> None:
    songs = gtzan_mel.load(data)
    assert songs.values.shape == (442 + 197, 128, 387)
    assert int(songs.held_out.sum()) == 197
    assert len(np.unique(songs.genre)) == 10
    assert "hip hop" in songs.genre
    level = gtzan_mel.decibels(songs.values[:5])
    assert level.min() >= -80
    assert level.max() == 0


def test_mel_spectrograms_of_another_shape_are_refused(tmp_path: Path) -> None:
    (tmp_path / "gtzan-mel").mkdir()
    path = tmp_path / "gtzan-mel" / "train.npz"
    np.savez(path, level=np.zeros((2, 96, 387), np.uint8), track=["a", "b"], genre=["x", "y"])
    with pytest.raises(DataError, match="not 128 bands"):
        gtzan_mel.load(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"train\.npz"):
        gtzan_mel.load(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "segments"), [(0.5, 1), (2, 1), (3, 1), (5, 2), (20, 7), (30, 10)]
)
def test_cutting(seconds: float, segments: int) -> None:
    level = np.arange(387, dtype=np.uint16)[np.newaxis, np.newaxis]  # each frame tells its number
    parts = cut(level, seconds)
    assert parts.shape == (1, segments, 1, SEGMENT_FRAMES)
    heard = np.unique(parts)
    assert len(heard) == round(seconds * 12.9)
    assert abs(heard.mean() - 193) <= 1


@pytest.mark.parametrize("view", ["mel", "activations"])
def test_no_artist_is_on_both_sides_of_the_honest_protocol(data: Path, view: View) -> None:
    folds = honest(Sources(data).songs(view))
    for fold in folds:
        assert not set(fold.train.group) & set(fold.test.group)
        assert not set(fold.train.track) & set(fold.test.track)
        assert fold.groups is not None
        assert fold.groups.tolist() == fold.train.group.tolist()
    assert sum(len(fold.test) for fold in folds) == (197 if view == "mel" else 443)


def test_the_leaky_protocol_leaks(sources: Sources) -> None:
    songs = sources.songs("mel")
    (fold,) = leaky(songs)
    assert set(fold.train.track) == set(fold.test.track) == set(songs.track)
    assert fold.train.values.shape[1] == 8
    assert fold.test.values.shape[1] == 2
    # Every segment is on one side, none on both.
    both = np.concatenate([fold.train.values, fold.test.values], axis=1)
    assert both.sum(dtype=np.int64) == songs.values.sum(dtype=np.int64)
    assert np.array_equal(np.sort(_hashes(both)), np.sort(_hashes(songs.values)))


def _hashes(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.array([[hash(part.tobytes()) for part in song] for song in values])


def test_shuffled_tracks_keep_songs_apart_but_not_artists(data: Path) -> None:
    (fold,) = shuffled_tracks(gtzan_mel.load(data))
    assert not set(fold.train.track) & set(fold.test.track)
    assert set(fold.train.group) & set(fold.test.group)


def test_a_leak_flatters(sources: Sources) -> None:
    accuracy = {
        protocol: measure(
            BASELINES["knn-3s-10"],
            divide(sources.songs("descriptors")),
            None,
            segments=protocol == "leaky",
            read_one=sources.read_one("descriptors"),
            excerpts={},
        ).accuracy
        for protocol, divide in PROTOCOLS.items()
    }
    assert accuracy["leaky"] > accuracy["honest"] + 0.1


@pytest.mark.filterwarnings("ignore:The least populated class")  # of a slice
@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_learns_and_predicts(name: str, sources: Sources) -> None:
    baseline = BASELINES[name]
    model = small(baseline.make(None))
    if networks(model):
        pytest.importorskip("torch", reason="networks need PyTorch: make compare")
    songs = sources.songs(baseline.view)
    if networks(model):
        songs = songs.with_values(songs.values[:, :2])
    model.fit(songs.values, songs.genre, groups=songs.group)
    probabilities = model.predict_proba(songs.values[:20])
    assert probabilities.shape == (20, 10)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert model.classes_.tolist() == sorted(set(songs.genre.tolist()))
    assert set(model.predict(songs.values[:20])) <= set(model.classes_)
    if not networks(model) and name != "knn-30s-100":  # it asks nearly all of the slice
        assert np.mean(model.predict(songs.values) == songs.genre) > 0.3


def test_ties_go_to_the_genre_with_more_songs() -> None:
    class Undecided:
        def fit(self, X: NDArray[np.float32], y: NDArray[np.str_]) -> None: ...

        def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
            return np.full((len(X), 2), 0.5)

    model = Songwise(Undecided(), lambda rows: rows)
    values = np.zeros((3, 2, 1))
    assert set(model.fit(values, np.array(["a", "b", "b"])).predict(values)) == {"b"}
    assert set(model.fit(values, np.array(["a", "a", "b"])).predict(values)) == {"a"}


@pytest.fixture
def rows() -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Return rows that a network can tell apart."""
    genre = np.tile(["jazz", "metal"], 40)
    noise = np.random.default_rng(0).normal(size=(80, 6, 5)).astype(np.float32)
    noise[genre == "metal", :, 2:] += 0.7
    return noise, genre


@needs_torch
def test_an_interrupted_fit_goes_on_to_the_same_result(
    rows: tuple[NDArray[np.float32], NDArray[np.str_]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.baselines import learning

    def network(checkpoints: Path | None) -> NetworkClassifier:
        return NetworkClassifier("bi_lstm_dropout", epochs=4, checkpoints=checkpoints)

    straight = network(None).fit(*rows)
    epochs: list[int] = []
    one_epoch: Callable[..., dict[str, float]] = learning.Learner._epoch

    def interrupted(self: learning.Learner, epoch: int, *data: object) -> dict[str, float]:
        if epoch == 2 and not epochs.count(2):
            epochs.append(epoch)
            raise KeyboardInterrupt
        epochs.append(epoch)
        return one_epoch(self, epoch, *data)

    monkeypatch.setattr(learning.Learner, "_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        network(tmp_path).fit(*rows)
    resumed = network(tmp_path).fit(*rows)
    assert epochs == [0, 1, 2, 2, 3]
    assert resumed.history_ == straight.history_
    assert np.array_equal(resumed.predict_proba(rows[0]), straight.predict_proba(rows[0]))
    again = network(tmp_path).fit(*rows)
    assert epochs == [0, 1, 2, 2, 3]  # it was finished
    assert again.seconds_ == resumed.seconds_


@needs_torch
def test_a_fit_stops_early_and_returns_to_its_best_epoch() -> None:
    noise = np.random.default_rng(0).normal(size=(80, 6, 5)).astype(np.float32)
    genre = np.tile(["jazz", "metal"], 40)  # nothing to be learnt
    network = NetworkClassifier("lstm", epochs=60, patience=3, learning_rate=0.01)
    network.fit(noise, genre)
    losses = [epoch["stop_loss"] for epoch in network.history_]
    assert len(losses) == np.argmin(losses) + 4 < 60


def test_comparing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.compare.CACHE", tmp_path)
    compare(data, ["knn-3s-10", "bundled-head"], quick=True)
    path = result_path(tmp_path / "quick", "knn-3s-10", "honest")
    result = Result.load(path)
    assert result.scored == np.sum(result.confusion)
    assert set(result.heard) == {"0.5", "1", "2", "3", "5", "10", "20", "30"}
    assert result.heard["30"] == result.accuracy
    written = path.stat().st_mtime_ns
    compare(data, ["knn-3s-10"], quick=True)
    assert path.stat().st_mtime_ns == written  # measured once
    with pytest.raises(DataError, match="no-such: not among knn-3s-10"):
        compare(data, ["no-such"])


def test_the_document_is_made_of_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "DOCUMENT", tmp_path / "comparison.md")
    genres = ["jazz", "metal"]
    epochs = [{"loss": 1.0, "stop_loss": 1.0, "accuracy": 0.5, "stop_accuracy": 0.5}] * 3
    results = {
        (name, protocol): Result(
            accuracy, 0.1234, 10, genres, [[4, 1], [2, 3]], 1234567, 2.0, 3.0, epochs,
            [0.1] * 64, {"0.5": 0.1, "30": accuracy},
        )
        for name in ("forest", "picture-cnn")
        for protocol, accuracy in zip(PROTOCOLS, (0.9111, 0.8222, 0.7333), strict=True)
    }  # fmt: skip
    document.write(results)
    text = document.DOCUMENT.read_text(encoding="utf-8")
    assert "| 3 | random forest | 0.871 | 0.911 | 0.822 | 0.733 | 0.123 | 1,234,567 |" in text
    assert "| 1 | KNN, K = 10, rows of 3 s | 0.868 | - | - | - |" in text
    for picture in tmp_path.glob("comparison/*.png"):
        assert f"(comparison/{picture.name})" in text
    assert len(list(tmp_path.glob("comparison/*.png"))) == 6


def test_songs_apart() -> None:
    names = np.array(["a", "b"])
    songs = Songs(np.arange(12).reshape(2, 3, 2), names, names, names, np.array([True, False]))
    apart = songs.apart()
    assert apart.track.tolist() == ["a", "a", "a", "b", "b", "b"]
    assert apart.values.shape == (6, 1, 2)
    assert apart.values[3, 0].tolist() == [6, 7]
