"""Files are read in worker processes, and from then on by the analysis cache."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genremodel import GenreClassifier
from genremodel.audio.windows import read_windows
from genremodel.batch import spawning
from genremodel.models import bundled
from genremodel.models.knn import window_features
from genremodel.models.musicnn import MTT_WINDOWS, MusicnnPair
from tests.genremodel.test_pool import send
from tests.platforms import posix
from tests.sounds import long_track, make
from training.augmentation import augmented
from training.datasets.track import DataError, Track
from training.methods import Networks
from training.reading import Reader
from training.window_table import WindowTable


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> list[Track]:
    """Return files of one window, of two, and of ten."""
    folder = tmp_path_factory.mktemp("music")
    return [
        track(make(folder / f"{seed}.wav", seconds, seed))
        for seed, seconds in enumerate((2, 4.5, 14))
    ]


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks.in_folder(bundled.FOLDER)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "cache.db"


def track(path: Path) -> Track:
    return Track(path, path.name, genre="jazz", artist="someone")


@contextmanager
def damaged(tracks: Sequence[Track]) -> Iterator[None]:
    """Damage files in a way that only their content shows, so that the cache is all that helps."""
    whole = [(track.path, track.path.read_bytes(), track.path.stat()) for track in tracks]
    try:
        for path, content, state in whole:
            path.write_bytes(bytes(len(content)))
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        yield
    finally:
        for path, content, state in whole:
            path.write_bytes(content)
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def assert_equal(table: WindowTable, other: WindowTable) -> None:
    assert table.values.dtype == other.values.dtype
    np.testing.assert_array_equal(table.values, other.values)
    np.testing.assert_array_equal(table.track, other.track)
    for name, column in vars(table.tracks).items():
        np.testing.assert_array_equal(column, getattr(other.tracks, name))


def test_values_are_those_of_the_networks_in_single_precision(
    tracks: list[Track], networks: Networks, cache: Path
) -> None:
    table = Reader(cache).outputs(tracks, networks, altered=True)
    pair, rng = MusicnnPair.bundled(), np.random.default_rng(0)
    own = [pair.run(read_windows(each.path)) for each in tracks]
    altered = [pair.run(augmented(read_windows(each.path, MTT_WINDOWS), rng)) for each in tracks]
    assert [len(values) for values in own + altered] == [1, 2, 10, 4, 4, 3]
    np.testing.assert_array_equal(table.values, np.concatenate(own + altered))
    assert table.names.tolist() == [
        name for each in tracks for name in (each.name, f"{each.name} altered")
    ]
    assert table.has_role("train").sum() == 13
    assert table.has_role("altered").sum() == 11
    assert table.genres.tolist() == ["jazz"]
    assert table.groups.tolist() == ["someone"]


def test_second_reading_decodes_nothing(
    tracks: list[Track], networks: Networks, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Reader(cache, workers=1).outputs(tracks, networks, altered=True)
    with damaged(tracks):
        assert_equal(Reader(cache, workers=1).outputs(tracks, networks, altered=True), first)
    assert not capsys.readouterr().err


def test_interrupted_reading_continues(
    tracks: list[Track], networks: Networks, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Reader(cache, workers=1).outputs(tracks[:2], networks)
    with damaged(tracks[:2]):
        table = Reader(cache, workers=1).outputs(tracks, networks)
    assert table.names.tolist() == [each.name for each in tracks]
    assert not capsys.readouterr().err


def test_features_are_in_single_precision_and_read_once(tracks: list[Track], cache: Path) -> None:
    groups = ["loudness", "MFCCs"]
    table = Reader(cache, workers=1).features(tracks, groups)
    with damaged(tracks):
        assert_equal(table, Reader(cache, workers=1).features(tracks, groups))
    windows = (read_windows(each.path).samples for each in tracks)
    expected = np.concatenate([window_features(each, groups) for each in windows])
    np.testing.assert_array_equal(table.values, expected)


def test_many_files_are_read_by_the_cache_of_the_product(
    tracks: list[Track], networks: Networks, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.window_table.MANY_ROWS", 10)
    cache.parent.mkdir()
    with GenreClassifier().pool(workers=1, cache=cache) as pool:
        analyses = [pool.submit(each.path).result() for each in tracks]
    with damaged(tracks):
        table = Reader(cache, workers=1).outputs(tracks, networks)
    assert table.values.dtype == np.float16
    np.testing.assert_array_equal(table.values, np.concatenate([a.values for a in analyses]))
    altered = Reader(cache, workers=1).outputs(tracks, networks, altered=True).with_role("altered")
    assert [len(rows) for rows in altered.by_track()[2]] == [2, 2, 2]


@posix
def test_files_that_fail_are_named_once(
    tracks: list[Track],
    networks: Networks,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # No fork: its exit status may get lost when two threads ask for it.
    monkeypatch.setattr(spawning.WorkerContext, "Process", spawning._Worker)
    picture = tmp_path / "cover\n.jpg"
    picture.write_bytes(b"a picture")
    crashing, hanging = (long_track(tmp_path / f"{name}.mp3") for name in ("crashing", "hanging"))
    hanging.write_bytes(hanging.read_bytes()[:-100_000])  # another recording
    every = [track(picture), tracks[0], track(crashing), track(hanging), tracks[1]]
    reader = Reader(cache, workers=1, timeout=8)
    tables = []
    reading = threading.Thread(target=lambda: tables.append(reader.outputs(every, networks)))
    reading.start()
    send(signal.SIGSEGV, reading=crashing).join()
    send(signal.SIGSTOP, reading=hanging)
    reading.join()
    tables.append(Reader(cache, workers=1, timeout=8).outputs(every, networks))
    tables.append(reader.outputs(every, networks, altered=True).with_role("train"))
    for table in tables:
        assert table.names.tolist() == [tracks[0].name, tracks[1].name]
    once = [
        rf"{tmp_path}/cover\n.jpg: not one of the audio formats that can be read",
        f"{crashing}: the decoder crashed (SIGSEGV)",
        f"{hanging}: not analyzed within 8 s",
    ]
    printed = capsys.readouterr()
    assert printed.err.splitlines() == once + once
    assert not printed.out, "it is for figures"


def test_without_workers_files_are_read_by_this_process(
    tracks: list[Track],
    networks: Networks,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = Reader(cache, workers=1).outputs(tracks, networks, altered=True)
    monkeypatch.setattr(sys, "frozen", True, raising=False)  # no workers can be started
    reader = Reader(cache.with_name("other.db"), workers=1)
    assert_equal(reader.outputs(tracks, networks, altered=True), expected)
    assert capsys.readouterr().err.count("worker processes could not be started") == 1


def test_other_networks_are_not_used(
    tracks: list[Track], networks: Networks, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = replace(networks, features_version="older")
    with pytest.raises(DataError, match="none of 1 files can be analyzed"):
        Reader(cache, workers=1).outputs(tracks[:1], older)
    assert f"{bundled.FOLDER}: other networks than those to be used" in capsys.readouterr().err
    assert len(Reader(cache, workers=1).outputs(tracks[:1], networks)) == 1


def test_no_file_is_readable(networks: Networks, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "cover.jpg").write_bytes(b"a picture")
    with pytest.raises(DataError, match="none of 1 files can be analyzed"):
        Reader(cache, workers=1).outputs([track(tmp_path / "cover.jpg")], networks)


def test_unusable_cache_is_reported_once(
    tracks: list[Track], networks: Networks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache.db"
    cache.write_text("a text, which is not a cache of analyses")
    before = cache.read_bytes()
    reader = Reader(cache, workers=1)
    for _ in range(2):
        assert len(reader.outputs(tracks, networks)) == 13
    assert capsys.readouterr().err.count("running without the analysis cache") == 1
    assert cache.read_bytes() == before
