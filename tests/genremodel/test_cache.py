from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from genremodel import GenreClassifier
from genremodel.analysis import Analysis
from genremodel.audio.decoding import AnalysisTimeout, AudioError
from genremodel.batch.cache import Cache, CacheError, FileState
from tests.faults import DROPPED
from tests.sounds import make

ANALYSIS = Analysis(
    np.array([0.5, 3.5]), np.array([True, False]), np.arange(6, dtype=np.float16).reshape(2, 3)
)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache.db", "version 1", 10)


@pytest.fixture
def file(tmp_path: Path) -> FileState:
    (tmp_path / "a.mp3").write_bytes(b"music")
    return FileState.of(tmp_path / "a.mp3")


def test_an_analysis_comes_back_as_it_was(cache: Cache, file: FileState) -> None:
    assert cache.of_file(file) is None
    assert cache.of_audio(b"digest", file) is None
    cache.keep(b"digest", ANALYSIS)
    for found in (cache.of_file(file), cache.of_audio(b"digest", file)):
        assert isinstance(found, Analysis)
        np.testing.assert_array_equal(found.starts, ANALYSIS.starts)
        np.testing.assert_array_equal(found.audible, ANALYSIS.audible)
        np.testing.assert_array_equal(found.values, ANALYSIS.values)
    cache.close()


@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv")
def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
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
    said = [f"{folder}: no such folder\n"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("capabilities cannot be dropped here")
    assert [done.stdout] == said
    folder.mkdir(mode=0o555)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"{folder}: the folder cannot be written\n"


def test_a_failure_is_remembered(cache: Cache, file: FileState) -> None:
    cache.of_audio(b"digest", file)
    cache.keep(b"digest", AudioError("no audio stream"))
    found = cache.of_file(file)
    assert isinstance(found, AudioError)
    assert str(found) == "no audio stream"
    cache.close()


def test_another_version_or_number_of_windows_is_another_analysis(
    cache: Cache, file: FileState
) -> None:
    cache.of_audio(b"digest", file)
    cache.keep(b"digest", ANALYSIS)
    for other in (Cache(cache.path, "version 2", 10), Cache(cache.path, "version 1", 5)):
        assert other.of_file(file) is None
        other.close()
    cache.close()


def test_a_file_that_changed_is_looked_at_again(cache: Cache, file: FileState) -> None:
    cache.of_audio(b"digest", file)
    cache.keep(b"digest", ANALYSIS)
    os.utime(file.path, (1, 1))
    changed = FileState.of(file.path)
    assert cache.of_file(changed) is None
    assert cache.of_audio(b"digest", changed) is not None
    assert cache.of_file(changed) is not None
    cache.close()


def test_statistics_prune_and_clear(cache: Cache, file: FileState, tmp_path: Path) -> None:
    (tmp_path / "b.mp3").write_bytes(b"other")
    for digest, state in ((b"1", file), (b"2", FileState.of(tmp_path / "b.mp3"))):
        cache.of_audio(digest, state)
        cache.keep(digest, ANALYSIS)
    cache.of_file(file)
    cache.close()
    found = cache.statistics()
    assert (found.analyses, found.failures, found.files) == (2, 0, 2)
    assert (found.hits, found.misses) == (1, 2)
    (tmp_path / "b.mp3").unlink()
    assert cache.prune() == 1
    assert cache.of_file(file) is not None
    cache.clear()
    assert cache.of_file(file) is None
    assert cache.statistics().analyses == 0
    cache.close()


@pytest.mark.parametrize("form", [0, 3, 99])
def test_a_cache_of_another_form_is_begun_anew(cache: Cache, file: FileState, form: int) -> None:
    """Its digests told recordings apart by their beginning alone."""
    cache.of_audio(b"digest", file)
    cache.keep(b"digest", ANALYSIS)
    cache._write((f"PRAGMA user_version = {form}", ()))
    cache.close()
    assert cache.of_file(file) is None
    assert cache.of_audio(b"digest", file) is None
    cache.keep(b"digest", AnalysisTimeout(60))
    assert str(cache.of_file(file)) == "not analysed within 60 s"
    cache.close()


def test_a_database_of_something_else_is_left_alone(tmp_path: Path, file: FileState) -> None:
    with closing(sqlite3.connect(tmp_path / "library.db")) as library, library:
        library.execute("CREATE TABLE items (id INTEGER)")
        library.execute("CREATE TABLE files (id INTEGER)")
    content = (tmp_path / "library.db").read_bytes()
    (tmp_path / "cache.db").symlink_to("library.db")
    cache = Cache(tmp_path / "cache.db", "1", 10)
    with pytest.raises(CacheError, match=r"cache\.db: not a cache"):
        cache.keep(b"digest", ANALYSIS)
    with pytest.raises(CacheError, match="not a cache"):
        cache.clear()
    assert (tmp_path / "library.db").read_bytes() == content


def test_a_cache_of_garbage(tmp_path: Path, file: FileState) -> None:
    (tmp_path / "cache.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(CacheError, match=r"cache\.db: file is not a database"):
        Cache(tmp_path / "cache.db", "1", 10).of_file(file)
    with pytest.raises(CacheError, match="no: no such folder"):
        Cache(tmp_path / "no" / "folder.db", "1", 10).of_file(file)


def test_what_is_damaged_inside_is_an_error(cache: Cache, file: FileState) -> None:
    cache.of_audio(b"digest", file)
    cache.keep(b"digest", ANALYSIS)
    cache._write(("UPDATE analyses SET content = x'00'", ()))
    with pytest.raises(CacheError):
        cache.of_file(file)
    cache.close()


def test_the_verdict_from_the_cache_is_the_same(tmp_path: Path) -> None:
    path = make(tmp_path / "a.flac", seconds=20)
    classifier = GenreClassifier()
    expected = classifier.classify(path)
    for _ in range(2):
        pool = classifier.pool(workers=1, cache=tmp_path / "cache.db")
        assert classifier.decide(pool.submit(path)()) == expected
        pool.close()
    cache = Cache(tmp_path / "cache.db")
    assert (cache.statistics().hits, cache.statistics().misses) == (1, 1)
    cache.close()
