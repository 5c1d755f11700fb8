"""Workers that are killed, that hang, and files that bring them down."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mediafile import MediaFile

from genremodel import AudioError, GenreClassifier
from genremodel.batch.cache import Cache
from genremodel.batch.pool import Pool
from tests.sounds import long_track, make

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.fixture(scope="module")
def classifier() -> GenreClassifier:
    return GenreClassifier()


@pytest.fixture
def pool(classifier: GenreClassifier, tmp_path: Path) -> Iterator[Pool]:
    pool = classifier.pool(workers=1, cache=tmp_path / "cache.db")
    yield pool
    pool.close()


def hit_the_worker(signal_: signal.Signals, after: float = 0.1) -> None:
    """Send a signal to the worker as soon as there is one, and it has had time to begin."""
    time.sleep(after)
    while not (workers := multiprocessing.active_children()):
        time.sleep(0.01)
    assert workers[0].pid is not None
    os.kill(workers[0].pid, signal_)


def test_a_crash_costs_one_file_and_is_remembered(
    pool: Pool, classifier: GenreClassifier, tmp_path: Path
) -> None:
    bad, good = long_track(tmp_path / "bad.mp3"), make(tmp_path / "good.wav", seed=1)
    pool.submit(good).result()  # there is a worker, and it works
    good.write_bytes(make(tmp_path / "other.wav", seed=2).read_bytes())
    first, second = pool.submit(bad), pool.submit(good)
    hit_the_worker(signal.SIGSEGV)
    with pytest.raises(AudioError, match="the decoder crashed \\(SIGSEGV\\)"):
        first.result()
    assert len(second.result().starts) == 3
    again = classifier.pool(workers=1, cache=tmp_path / "cache.db")
    with pytest.raises(AudioError, match="the decoder crashed"):
        again.submit(bad).result()
    again.close()


def test_a_worker_that_somebody_killed(pool: Pool, tmp_path: Path) -> None:
    bad, good = long_track(tmp_path / "bad.mp3"), make(tmp_path / "good.wav", seed=1)
    pool.submit(good).result()
    first = pool.submit(bad)
    hit_the_worker(signal.SIGKILL)
    with pytest.raises(AudioError, match="was killed"):
        first.result()
    assert len(pool.submit(bad).result().starts) == 10, "it is not the file's fault"


def test_workers_that_die_before_they_begin(pool: Pool, tmp_path: Path) -> None:
    pending = [pool.submit(make(tmp_path / f"{seed}.wav", seed=seed)) for seed in range(3)]
    hit_the_worker(signal.SIGKILL, after=0.03)  # while it imports what it needs
    assert [len(future.result().starts) for future in pending] == [3, 3, 3]


def test_a_worker_that_dies_while_it_has_nothing_to_do(pool: Pool, tmp_path: Path) -> None:
    assert len(pool.submit(make(tmp_path / "a.wav")).result().starts) == 3
    hit_the_worker(signal.SIGKILL)
    time.sleep(0.5)
    assert len(pool.submit(make(tmp_path / "b.wav", seed=1)).result().starts) == 3


def test_a_file_that_takes_too_long(classifier: GenreClassifier, tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav")
    pool = classifier.pool(workers=1, timeout=0.01, cache=tmp_path / "cache.db")
    with pytest.raises(AudioError, match=r"not analyzed within 0\.01 s"):
        pool.submit(path).result()
    with pytest.raises(AudioError, match="not analyzed within"):
        pool.submit(path).result()
    pool.close()
    shorter = classifier.pool(workers=1, timeout=0.001, cache=tmp_path / "cache.db")
    with pytest.raises(AudioError, match=r"not analyzed within 0\.01 s"):
        shorter.submit(path).result()
    shorter.close()
    longer = classifier.pool(workers=1, timeout=60, cache=tmp_path / "cache.db")
    assert len(longer.submit(path).result().starts) == 3
    longer.close()


def test_a_failure_is_tried_again_on_request(classifier: GenreClassifier, tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav")
    pool = classifier.pool(workers=1, cache=tmp_path / "cache.db")
    pool.cache.record_failure(path, AudioError("the decoder crashed"))
    with pytest.raises(AudioError, match="the decoder crashed"):
        pool.submit(path).result()
    pool.close()
    for retry in (True, False):
        again = classifier.pool(workers=1, cache=tmp_path / "cache.db", retry=retry)
        assert len(again.submit(path).result().starts) == 3
        again.close()


def test_what_is_missing_or_unreadable_is_not_remembered(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with pytest.raises(AudioError, match="No such file"):
        pool.submit(path).result()
    make(path)
    assert len(pool.submit(path).result().starts) == 3


def test_a_cache_that_cannot_be_used_is_done_without(
    classifier: GenreClassifier, tmp_path: Path
) -> None:
    (tmp_path / "cache.db").write_bytes(b"garbage" * 1000)
    pool = classifier.pool(workers=1, cache=tmp_path / "cache.db")
    assert len(pool.submit(make(tmp_path / "a.wav")).result().starts) == 3
    (problem,) = pool.problems
    assert "running without the analysis cache: " in problem
    assert "not a database" in problem
    pool.close()


def test_closing_is_quick_whatever_is_going_on(classifier: GenreClassifier, tmp_path: Path) -> None:
    path = make(tmp_path / "a.flac", seconds=60)
    pool = classifier.pool(workers=1)
    for _ in range(500):  # which would take a minute
        pool.submit(path)
    start = time.monotonic()
    pool.close()
    assert time.monotonic() - start < 25


def test_a_file_that_we_tag_is_known_again_at_once(pool: Pool, tmp_path: Path) -> None:
    path = make(tmp_path / "a.flac")
    pool.submit(path).result()
    with pool.cache.preserve_digest(path):
        media = MediaFile(path)
        media.title = "other"
        media.save()
    cache = Cache(tmp_path / "cache.db")
    misses = cache.statistics().misses
    assert pool.submit(path).done()
    assert cache.statistics().misses == misses
    cache.close()
