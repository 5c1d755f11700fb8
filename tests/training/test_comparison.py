"""How the five student systems are compared, and what is written of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.datasets import gtzan_mel
from training.datasets.track import DataError
from training.reports import bundled as bundled_model
from training.reports import comparison as document
from training.student_systems.baseline import Baseline, View
from training.student_systems.compare import Sources, compare, result_path
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.protocols import (
    PROTOCOLS,
    Fold,
    cross_validated,
    honest,
    leaky,
    protocols_of,
    shuffled_tracks,
)
from training.student_systems.registry import BASELINES
from training.student_systems.results import Result, measure
from training.datasets.songs import SongTable
from training.student_systems.song_classifier import SongClassifier, joined
from training.student_systems.views import SEGMENT_FRAMES, cut


@pytest.fixture(scope="module")
def sources(data: Path) -> Sources:
    return Sources(data, every=6)


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


@pytest.mark.parametrize(
    ("divide", "view", "scored"),
    [(honest, "mel", 197), (cross_validated, "mel", 442), (cross_validated, "activations", 443)],
)
def test_no_artist_is_on_both_sides(
    divide: Callable[[SongTable], list[Fold]], view: View, scored: int, data: Path
) -> None:
    folds = divide(Sources(data).songs(view))
    for fold in folds:
        assert not set(fold.train.group) & set(fold.test.group)
        assert not set(fold.train.track) & set(fold.test.track)
        assert fold.groups is not None
        assert fold.groups.tolist() == fold.train.group.tolist()
    assert sum(len(fold.test) for fold in folds) == scored


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
    assert accuracy["leaky"] > max(accuracy["honest"], accuracy["cross-validated"]) + 0.1


def test_comparing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.student_systems.compare.CACHE", tmp_path)
    compare(data, ["knn-3s-10", "bundled-head"], quick=True)
    path = result_path(Sources(data, every=4), BASELINES["knn-3s-10"], "honest")
    result = Result.load(path)
    assert result.scored == np.sum(result.confusion)
    assert result.accuracy_on([*result.right]) == pytest.approx(result.accuracy)
    assert set(result.heard) == {"0.5", "1", "2", "3", "5", "10", "20", "30"}
    assert result.heard["30"] == result.accuracy
    written = path.stat().st_mtime_ns
    compare(data, ["knn-3s-10"], quick=True)
    assert path.stat().st_mtime_ns == written  # measured once
    with pytest.raises(DataError, match="no-such: not among knn-3s-10"):
        compare(data, ["no-such"])


def test_what_is_measured_depends_on_songs_hyperparameters_and_backbone(
    sources: Sources, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def network(patience: int) -> Baseline:
        fit = NetworkClassifier("lstm", patience=patience)
        return Baseline("lstm", 3, "LSTM", "descriptors", lambda _: SongClassifier(fit, joined))

    same = sources.fingerprint(network(3))
    assert Sources(data, every=6).fingerprint(network(3)) == same
    assert Sources(data, every=7).fingerprint(network(3)) != same
    assert sources.fingerprint(network(4)) != same
    monkeypatch.setattr("genremodel.models.bundled.checksum", lambda _name: "of another backbone")
    other = Sources(data, every=6)
    assert other.fingerprint(network(3)) == same
    head = BASELINES["bundled-head"]
    assert other.fingerprint(head) != sources.fingerprint(head)


def test_the_document_waits_until_all_is_measured(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.student_systems.compare.CACHE", tmp_path)
    monkeypatch.setattr(document, "DOCUMENT", tmp_path / "comparison.md")
    compare(data, ["bundled-head"])
    assert not document.DOCUMENT.exists()
    assert "comparison.md is left as it was without knn-3s-10 (leaky)" in capsys.readouterr().out


def test_the_document_is_made_of_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "DOCUMENT", tmp_path / "comparison.md")
    accuracy = dict(zip(PROTOCOLS, (0.9111, 0.8222, 0.7333, 0.6444), strict=True))
    genres = ["jazz", "metal"]
    epochs = [{"loss": 1.0, "stop_loss": 1.0, "accuracy": 0.5, "stop_accuracy": 0.5}] * 3
    results = {
        (name, protocol): Result(
            accuracy[protocol], 0.1234, 10, genres, [[4, 1], [2, 3]], 1234567, 2.0, 3.0,
            {"a": True, "b": False}, epochs, [0.1] * 64, {"0.5": 0.1, "30": 0.2},
        )
        for name, baseline in BASELINES.items()
        for protocol in protocols_of(baseline)
    }  # fmt: skip
    document.write(results, ["a", "a", "b"])
    text = document.DOCUMENT.read_text(encoding="utf-8")
    assert "| random forest | 0.871 | 0.911 | 0.822 | 0.733 | 0.667 | 0.123 | 0.644 | 1,234" in text
    assert "| picture CNN | 0.533 | 0.911 | 0.822 | 0.733 | 0.667 | 0.123 | - | 1,234,567 |" in text
    assert "| bundled head | - | 0.911 | 0.822 | - | - | - | 0.644 | 1,503,869 |" in text
    assert "has not fallen for\n  4 to 10 epochs, after 15 to 60 at most" in text
    for picture in tmp_path.glob("comparison/*.png"):
        assert f"(comparison/{picture.name})" in text
    assert len(list(tmp_path.glob("comparison/*.png"))) == 6


def test_the_document_tells_of_the_model_that_is_bundled(bundled: dict[str, Any]) -> None:
    text = document.DOCUMENT.read_text(encoding="utf-8")
    assert bundled_model.paragraph(bundled) in text
    row, _milliseconds, _ = bundled_model.row(bundled).rsplit("|", 2)  # those vary by machine
    assert row in text


def test_the_files_that_it_is_scored_with_are_of_held_out_songs(
    data: Path, bundled: dict[str, Any]
) -> None:
    sources = Sources(data)
    assert len(sources.excerpted) == bundled["cnn"]["valid"]["tracks"]
    assert set(sources.excerpted) <= set(sources.whole[sources.whole.held_out].track.tolist())


def test_songs_apart() -> None:
    names = np.array(["a", "b"])
    songs = SongTable(np.arange(12).reshape(2, 3, 2), names, names, names, np.array([True, False]))
    apart = songs.apart()
    assert apart.track.tolist() == ["a", "a", "a", "b", "b", "b"]
    assert apart.values.shape == (6, 1, 2)
    assert apart.values[3, 0].tolist() == [6, 7]
