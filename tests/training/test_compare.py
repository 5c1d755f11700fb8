"""Protocols of the comparison with the student systems, and the cached results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.datasets.songs import SongTable
from training.datasets.track import DataError
from training.student_systems.baseline import Baseline, View
from training.student_systems.compare import Sources, compare, result_path
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.protocols import (
    PROTOCOLS,
    Fold,
    cross_validated,
    honest,
    leaky,
    shuffled_tracks,
)
from training.student_systems.registry import BASELINES
from training.student_systems.results import Result, measure
from training.student_systems.song_classifier import SongClassifier, joined
from training.student_systems.views import SEGMENT_FRAMES, cut


@pytest.fixture(scope="module")
def sources(data: Path) -> Sources:
    return Sources(data, every=6)


@pytest.fixture(scope="module")
def all_sources(data: Path) -> Sources:
    return Sources(data)


@pytest.mark.parametrize(
    ("seconds", "segments"), [(0.5, 1), (2, 1), (3, 1), (5, 2), (20, 7), (30, 10)]
)
def test_cut_returns_segments_of_the_middle(seconds: float, segments: int) -> None:
    level = np.arange(387, dtype=np.uint16)[np.newaxis, np.newaxis]  # each frame has its number
    parts = cut(level, seconds)
    assert parts.shape == (1, segments, 1, SEGMENT_FRAMES)
    frames = np.unique(parts)
    assert len(frames) == round(seconds * 12.9)
    assert abs(frames.mean() - 193) <= 1


@pytest.mark.parametrize(
    ("divide", "view", "scored"),
    [(honest, "mel", 197), (cross_validated, "mel", 442), (cross_validated, "activations", 443)],
)
def test_artists_are_not_split(
    divide: Callable[[SongTable], list[Fold]], view: View, scored: int, all_sources: Sources
) -> None:
    folds = divide(all_sources.songs(view))
    for fold in folds:
        assert not set(fold.train.group) & set(fold.test.group)
        assert not set(fold.train.track) & set(fold.test.track)
        assert fold.groups is not None
        assert fold.groups.tolist() == fold.train.group.tolist()
    assert sum(len(fold.test) for fold in folds) == scored


def test_leaky_protocol_splits_every_song(sources: Sources) -> None:
    songs = sources.songs("mel")
    (fold,) = leaky(songs)
    assert set(fold.train.track) == set(fold.test.track) == set(songs.track)
    assert fold.train.values.shape[1] == 8
    assert fold.test.values.shape[1] == 2
    both = np.concatenate([fold.train.values, fold.test.values], axis=1)
    assert both.sum(dtype=np.int64) == songs.values.sum(dtype=np.int64)
    assert np.array_equal(np.sort(_hashes(both)), np.sort(_hashes(songs.values)))


def _hashes(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.array([[hash(part.tobytes()) for part in song] for song in values])


def test_shuffled_tracks_split_artists_but_not_songs(all_sources: Sources) -> None:
    (fold,) = shuffled_tracks(all_sources.whole)
    assert not set(fold.train.track) & set(fold.test.track)
    assert set(fold.train.group) & set(fold.test.group)


def test_leaky_split_inflates_accuracy(sources: Sources) -> None:
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


def test_results_are_cached(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.student_systems.compare.CACHE", tmp_path)
    monkeypatch.setattr("training.student_systems.compare._QUICK_SHARE", 8)
    # every eighth song: fewer songs than neighbors
    compare(data, ["knn-30s-100", "bundled-head"], quick=True)
    path = result_path(Sources(data, every=8), BASELINES["knn-30s-100"], "honest")
    result = Result.load(path)
    assert result.scored == np.sum(result.confusion)
    assert result.accuracy_on([*result.correct]) == pytest.approx(result.accuracy)
    assert set(result.accuracy_by_seconds) == {"0.5", "1", "2", "3", "5", "10", "20", "30"}
    assert result.accuracy_by_seconds["30"] == result.accuracy
    written = path.stat().st_mtime_ns
    compare(data, ["knn-30s-100"], quick=True)
    assert path.stat().st_mtime_ns == written
    with pytest.raises(DataError, match=r"unknown: no-such\. Available: knn-3s-10"):
        compare(data, ["no-such"])


def test_cache_key_depends_on_songs_hyperparameters_and_network(
    sources: Sources, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def network(patience: int) -> Baseline:
        fit = NetworkClassifier("lstm", patience=patience)
        return Baseline("lstm", 3, "LSTM", "descriptors", lambda _: SongClassifier(fit, joined))

    same = sources.fingerprint(network(3))
    assert Sources(data, every=6).fingerprint(network(3)) == same
    assert Sources(data, every=7).fingerprint(network(3)) != same
    assert sources.fingerprint(network(4)) != same
    monkeypatch.setattr("genremodel.models.bundled.checksum", lambda _name: "another network")
    other = Sources(data, every=6)
    assert other.fingerprint(network(3)) == same
    head = BASELINES["bundled-head"]
    assert other.fingerprint(head) != sources.fingerprint(head)


def test_missing_results_are_reported(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.student_systems.compare.CACHE", tmp_path)
    assert compare(data, ["bundled-head"]) is None
    printed = " ".join(capsys.readouterr().out.split())
    assert "comparison not written, results missing: knn-3s-10 (leaky)" in printed


def test_validation_files_are_parts_of_held_out_songs(
    all_sources: Sources, bundled: dict[str, Any]
) -> None:
    whole, excerpted = all_sources.whole, all_sources.excerpted
    assert len(excerpted) == bundled["cnn"]["valid"]["tracks"]
    assert set(excerpted) <= set(whole[whole.held_out].track.tolist())
