from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genremodel import GenreClassifier
from genremodel.analysis import OUTPUT_SIZE, Analysis
from genremodel.batch.cache import Cache, CacheError, FileState
from genremodel.errors import AnalysisTimeout, AudioError
from genremodel.similarity import track_embedding
from tests.platforms import DROPPED, permissions
from tests.sounds import make

ANALYSIS = Analysis(
    np.array([0.5, 3.5]), np.array([True, False]), np.arange(6, dtype=np.float16).reshape(2, 3)
)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path / "cache.db", "version 1", 10) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> FileState:
    (tmp_path / "a.mp3").write_bytes(b"music")
    return FileState.from_path(tmp_path / "a.mp3")


def test_analysis_round_trip(cache: Cache, file: FileState) -> None:
    assert cache.get_file(file) is None
    assert cache.get_digest(b"digest") is None
    cache.link_file(b"digest", file)
    cache.put(b"digest", ANALYSIS)
    for found in (cache.get_file(file), cache.get_digest(b"digest")):
        assert isinstance(found, Analysis)
        np.testing.assert_array_equal(found.starts, ANALYSIS.starts)
        np.testing.assert_array_equal(found.audible, ANALYSIS.audible)
        np.testing.assert_array_equal(found.values, ANALYSIS.values)
    cache.close()


@permissions
def test_error_names_read_only_folder(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from genremodel.batch.cache import Cache, CacheError

try:
    Cache(Path(sys.argv[1])).statistics()
except CacheError as exc:
    print(exc)
"""
    folder = tmp_path / "read-only"
    command = [*DROPPED, sys.executable, "-c", code, str(folder / "cache.db")]
    expected = [f"{folder}: no such folder\n"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [done.stdout] == expected
    folder.mkdir(mode=0o555)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"{folder}: the folder cannot be written\n"


def test_embeddings_are_those_of_audible_files(cache: Cache, file: FileState) -> None:
    values = np.ones((2, OUTPUT_SIZE), np.float16)
    for name in ("loud", "silent", "failed"):
        cache.link_file(name.encode(), replace(file, path=name.encode()))
    loud = Analysis(np.array([0.5, 3.5]), np.array([True, False]), values)
    cache.put(b"loud", loud)
    cache.put(b"silent", replace(loud, audible=np.zeros(2, bool)))
    cache.put(b"failed", AudioError("no audio stream"))
    assert [*cache.embeddings()] == [(b"loud", b"loud", track_embedding(loud))]
    cache.close()


def test_failure_is_cached(cache: Cache, file: FileState) -> None:
    cache.link_file(b"digest", file)
    cache.put(b"digest", AudioError("no audio stream"))
    found = cache.get_file(file)
    assert isinstance(found, AudioError)
    assert str(found) == "no audio stream"
    cache.close()


def test_version_and_places_are_part_of_the_key(cache: Cache, file: FileState) -> None:
    cache.link_file(b"digest", file)
    cache.put(b"digest", ANALYSIS)
    for other in (Cache(cache.path, "version 2", 10), Cache(cache.path, "version 1", 20)):
        assert other.get_file(file) is None
        other.close()
    cache.close()


def test_analysis_is_found_with_fewer_windows_only(cache: Cache, file: FileState) -> None:
    ten = Analysis(np.arange(10.0), np.ones(10, np.bool_), np.zeros((10, 3), np.float16))
    cache.link_file(b"ten", file)
    cache.put(b"ten", ten)
    cache.put(b"three", ten.select(3))
    with Cache(cache.path, "version 1", 3) as other:
        for found in (other.get_file(file), other.get_digest(b"ten"), other.get_digest(b"three")):
            assert isinstance(found, Analysis)
            assert found.starts.tolist() == [1, 5, 8]
    assert cache.get_digest(b"three") is None
    part = cache.get_part(b"three")
    assert part
    assert part.places.tolist() == [place in (1, 5, 8) for place in range(10)]
    cache.close()


def test_changed_file_is_not_found(cache: Cache, file: FileState) -> None:
    cache.link_file(b"digest", file)
    cache.put(b"digest", ANALYSIS)
    os.utime(file.path, (1, 1))
    changed = FileState.from_path(file.path)
    assert cache.get_file(changed) is None
    cache.link_file(b"digest", changed)
    assert cache.get_file(changed) is not None
    cache.close()


def test_statistics_prune_and_clear(cache: Cache, file: FileState, tmp_path: Path) -> None:
    (tmp_path / "b.mp3").write_bytes(b"other")
    for digest, state in ((b"1", file), (b"2", FileState.from_path(tmp_path / "b.mp3"))):
        assert cache.get_digest(digest) is None
        cache.link_file(digest, state)
        cache.put(digest, ANALYSIS)
    cache.get_file(file)
    cache.close()
    found = cache.statistics()
    assert (found.analyses, found.failures, found.files) == (2, 0, 2)
    assert (found.hits, found.misses) == (1, 2)
    (tmp_path / "b.mp3").unlink()
    assert cache.prune() == 1
    assert cache.get_file(file) is not None
    cache.clear()
    assert cache.get_file(file) is None
    assert cache.statistics().analyses == 0
    cache.close()


@pytest.mark.parametrize("number", [0, 1])
def test_cache_in_an_older_format_is_emptied(cache: Cache, file: FileState, number: int) -> None:
    cache.link_file(b"digest", file)
    cache.put(b"digest", ANALYSIS)
    cache.close()
    assert cache.path
    with closing(sqlite3.connect(cache.path)) as database, database:
        database.execute("ALTER TABLE statistics RENAME TO unknown")
        database.execute(f"PRAGMA user_version = {number}")
    assert cache.get_file(file) is None
    assert cache.error is None
    cache.link_file(b"digest", file)
    cache.put(b"digest", AnalysisTimeout(60))
    assert str(cache.get_file(file)) == "not analyzed within 60 s"
    cache.close()
    with closing(sqlite3.connect(cache.path)) as database:
        assert not database.execute("SELECT * FROM sqlite_master WHERE name = 'unknown'").fetchall()


def test_cache_in_a_newer_format_is_not_changed(cache: Cache, file: FileState) -> None:
    cache.link_file(b"digest", file)
    cache.put(b"digest", ANALYSIS)
    cache.close()
    assert cache.path
    with closing(sqlite3.connect(cache.path)) as database, database:
        database.execute("PRAGMA user_version = 99")
    content = cache.path.read_bytes()
    assert cache.get_file(file) is None
    cache.put(b"other", ANALYSIS)
    assert cache.error == f"{cache.path}: written by a newer version of this program"
    with pytest.raises(CacheError, match="newer version"):
        cache.clear()
    cache.close()
    assert cache.path.read_bytes() == content


def test_foreign_database_is_not_changed(tmp_path: Path, file: FileState) -> None:
    with closing(sqlite3.connect(tmp_path / "library.db")) as library, library:
        library.execute("CREATE TABLE items (id INTEGER)")
        library.execute("CREATE TABLE files (id INTEGER)")
    content = (tmp_path / "library.db").read_bytes()
    (tmp_path / "cache.db").symlink_to("library.db")
    cache = Cache(tmp_path / "cache.db", "1", 10)
    cache.put(b"digest", ANALYSIS)
    assert cache.error == f"{tmp_path / 'cache.db'}: not a cache of analyses"
    with pytest.raises(CacheError, match="not a cache"):
        cache.clear()
    cache.close()
    assert (tmp_path / "library.db").read_bytes() == content


def test_unusable_cache_fails_soft(tmp_path: Path, file: FileState) -> None:
    (tmp_path / "cache.db").write_bytes(b"garbage" * 1000)
    garbage = Cache(tmp_path / "cache.db", "1", 10)
    assert garbage.get_file(file) is None
    assert garbage.error == f"{tmp_path / 'cache.db'}: file is not a database"
    assert garbage.get_digest(b"digest") is None
    assert garbage.digest_of(file.path) is None
    assert not [*garbage.embeddings()]
    missing = Cache(tmp_path / "no" / "folder.db", "1", 10)
    missing.put(b"digest", ANALYSIS)
    assert missing.error == f"{tmp_path / 'no'}: no such folder"


def test_cache_without_file_is_empty(file: FileState) -> None:
    with Cache(None) as cache:
        cache.link_file(b"digest", file)
        cache.put(b"digest", ANALYSIS)
        assert cache.get_file(file) is None
    assert cache.error is None


def test_damaged_analysis_fails_soft(cache: Cache, file: FileState) -> None:
    cache.link_file(b"digest", file)
    cache.put(b"digest", ANALYSIS)
    cache.close()
    assert cache.path
    with closing(sqlite3.connect(cache.path)) as database, database:
        database.execute("UPDATE analyses SET content = x'00'")
    assert cache.get_file(file) is None
    assert cache.error
    assert not cache.is_usable


def test_cached_prediction_is_equal(tmp_path: Path) -> None:
    path = make(tmp_path / "a.flac", seconds=20)
    classifier = GenreClassifier()
    expected = classifier.predict(path)
    for _ in range(2):
        pool = classifier.pool(workers=1, cache=tmp_path / "cache.db")
        assert classifier.predict(pool.submit(path).result()) == expected
        pool.close()
    cache = Cache(tmp_path / "cache.db")
    assert (cache.statistics().hits, cache.statistics().misses) == (1, 1)
    cache.close()


def test_three_cached_windows_are_completed_to_ten(tmp_path: Path) -> None:
    path, cache = make(tmp_path / "a.flac", seconds=60), tmp_path / "cache.db"
    few, all_windows = GenreClassifier(windows=3), GenreClassifier()
    with few.pool(workers=1, cache=cache) as pool:
        three = pool.submit(path).result()
    with all_windows.pool(workers=1, cache=cache) as pool:
        ten = pool.submit(path).result()
    assert (len(three.starts), len(ten.starts)) == (3, 10)
    np.testing.assert_array_equal(three.starts, ten.select(3).starts)
    np.testing.assert_array_equal(three.values, ten.select(3).values)
    fresh = all_windows.analyze(path)
    np.testing.assert_allclose(ten.values, fresh.values, rtol=2e-3, atol=1e-4)
    with few.pool(workers=1, cache=cache) as pool:
        again = pool.submit(path).result()
        assert pool.cache.statistics().analyses == 1
    np.testing.assert_array_equal(again.values, three.values)
    assert few.predict(path) == few.predict(all_windows.analyze(path).select(3))
