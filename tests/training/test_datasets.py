"""Loaders of the datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.sounds import make
from training import corpus
from training.datasets import (
    emotify,
    genre_folders,
    gtzan,
    gtzan_clips,
    gtzan_mel,
    gtzan_taggrams,
)
from training.datasets.songs import SongTable
from training.datasets.track import DataError, genre_name
from training.window_table import WindowTable


def test_genre_names() -> None:
    assert genre_name("hiphop") == genre_name("Hip-Hop") == genre_name("hip_hop") == "hip hop"
    assert genre_name("Blues ") == "blues"


def test_project_data(data: Path) -> None:
    taggrams = gtzan_taggrams.load(data)
    assert len(taggrams) == 12415
    assert np.isfinite(taggrams.values).all(axis=0).sum() == 50
    assert len(taggrams.by_track()[0]) == 443
    assert "hip hop" in taggrams.genres
    clips = gtzan_clips.load(data)
    assert sum(clip.split == "train" for clip in clips) == 268
    assert sum(clip.split == "valid" for clip in clips) == 144
    assert len(emotify.load(data)) == 229


def test_artists_are_not_split(data: Path) -> None:
    parts = corpus.load(data)
    assert parts.taggrams is not None
    valid = {track.group for track in parts.valid}
    assert not valid & {track.group for track in parts.train}
    assert not valid & set(parts.taggrams.groups.tolist())


def test_genre_folders(tmp_path: Path) -> None:
    for genre in ("jazz", "HipHop"):
        for number in range(6):
            make(tmp_path / genre / f"{number}.wav", seconds=1, seed=number)
    tracks = genre_folders.load(tmp_path)
    assert {track.genre for track in tracks} == {"jazz", "hip hop"}
    parts = corpus.load(tmp_path)
    assert len(parts.train) + len(parts.valid) == 12
    assert parts.valid
    assert [source.license for source in parts.sources] == ["unknown"]
    (tmp_path / "jazz" / "5.wav").unlink()
    for folder in (tmp_path, tmp_path / "jazz"):
        with pytest.raises(DataError, match="fewer than 2 folders of a genre with 6 files"):
            genre_folders.load(folder)


def test_public_gtzan_with_split_lists(tmp_path: Path) -> None:
    for name in ("blues.00000", "blues.00001", "hiphop.00000"):
        make(tmp_path / "genres_original" / name.split(".")[0] / f"{name}.wav", seconds=1)
    (tmp_path / "train_filtered.txt").write_text("blues/blues.00000.wav\nhiphop/hiphop.00000.au\n")
    (tmp_path / "valid_filtered.txt").write_text("blues/blues.00001.wav\n")
    (tmp_path / "test_filtered.txt").write_text("")
    tracks = gtzan.load(tmp_path)
    assert [(t.name, t.genre, t.split) for t in tracks] == [
        ("blues.00000", "blues", "train"),
        ("hiphop.00000", "hip hop", "train"),
        ("blues.00001", "blues", "valid"),
    ]
    parts = corpus.load(tmp_path)
    assert len(parts.valid) == 1
    assert [source.license for source in parts.sources] == [gtzan.LICENSE]
    (tmp_path / "test_filtered.txt").write_text("rock/rock.00000.wav\n")
    with pytest.raises(DataError, match="listed, but missing"):
        gtzan.load(tmp_path)


def test_rows_are_grouped_by_track() -> None:
    track = np.array(["b", "a", "b", "c"])
    genre, role = np.array(["x", "y", "x", "z"]), np.array(["song", "train", "song", "valid"])
    table = WindowTable.from_rows(np.eye(4, dtype=np.float32), track, genre, track, role)
    genres, groups, members = table.by_track()
    assert genres.tolist() == ["y", "x", "z"]
    assert groups.tolist() == ["a", "b", "c"]
    assert [part.tolist() for part in members] == [[1], [0, 2], [3]]
    assert table.with_role("train", "valid").names.tolist() == ["a", "c"]
    assert [part.tolist() for part in table.by_track(table.has_role("song"))[2]] == [[0, 2]]


def test_tables_are_joined() -> None:
    one, other = (
        WindowTable.from_rows(np.full((2, 3), level), names, names, np.array(["x", "x"]), "song")
        for level, names in ((1.0, np.array(["d", "b"])), (2.0, np.array(["c", "a"])))
    )
    table = one + other[np.array([1])]
    genres, _, members = table.by_track()
    assert table.names.tolist() == genres.tolist() == ["a", "b", "d"]
    assert [table.values[rows, 0].tolist() for rows in members] == [[2.0], [1.0], [1.0]]
    assert len(np.unique(table.group_index)) == 1
    assert table.genre_index(table.genres).tolist() == [2, 1, 0]


def test_mel_spectrograms(data: Path) -> None:
    songs = gtzan_mel.load(data)
    assert songs.values.shape == (442 + 197, 128, 387)
    assert int(songs.held_out.sum()) == 197
    assert len(np.unique(songs.genre)) == 10
    assert "hip hop" in songs.genre
    level = gtzan_mel.decibels(songs.values[:5])
    assert level.min() >= -80
    assert level.max() == 0


def test_mel_spectrograms_of_wrong_shape(tmp_path: Path) -> None:
    (tmp_path / "gtzan-mel").mkdir()
    path = tmp_path / "gtzan-mel" / "train.npz"
    np.savez(path, level=np.zeros((2, 96, 387), np.uint8), track=["a", "b"], genre=["x", "y"])
    with pytest.raises(DataError, match="expected 128 bands"):
        gtzan_mel.load(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"train\.npz"):
        gtzan_mel.load(tmp_path)


def test_songs_split_into_segments() -> None:
    names = np.array(["a", "b"])
    songs = SongTable(np.arange(12).reshape(2, 3, 2), names, names, names, np.array([True, False]))
    segments = songs.split_segments()
    assert segments.track.tolist() == ["a", "a", "a", "b", "b", "b"]
    assert segments.values.shape == (6, 1, 2)
    assert segments.values[3, 0].tolist() == [6, 7]
