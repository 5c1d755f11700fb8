"""Worker processes that are killed or hang, and files that crash them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import as_completed
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from mediafile import MediaFile

from genremodel import AudioError, GenreClassifier
from genremodel.audio.media_type import media_type
from genremodel.audio.spectrogram_image import spectrogram_image
from genremodel.audio.transcode import transcode
from genremodel.batch import spawning
from genremodel.batch.cache import Cache
from genremodel.batch.pool import Pool
from tests.platforms import posix
from tests.sounds import long_track, make
from tests.waiting import wait_until

pytestmark = posix


@pytest.fixture(scope="module")
def classifier() -> GenreClassifier:
    return GenreClassifier()


@pytest.fixture
def pool(classifier: GenreClassifier, tmp_path: Path) -> Iterator[Pool]:
    with classifier.pool(workers=1, cache=tmp_path / "cache.db") as pool:
        yield pool


def opened_files(descriptors: Path) -> Iterator[str]:
    for link in descriptors.iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield str(link.readlink())


def send(signal_: signal.Signals, *, reading: Path | None = None) -> BaseProcess:
    """Send a signal to the worker as soon as there is one, and it has a file open."""
    wait_until(multiprocessing.active_children)
    (worker,) = multiprocessing.active_children()
    assert worker.pid is not None
    if reading and Path("/proc").exists():
        wait_until(lambda: str(reading) in opened_files(Path(f"/proc/{worker.pid}/fd")))
    elif reading:
        time.sleep(0.1)
    os.kill(worker.pid, signal_)
    return worker


def test_crash_fails_one_file_and_is_cached(
    pool: Pool, classifier: GenreClassifier, tmp_path: Path
) -> None:
    bad, good = long_track(tmp_path / "bad.mp3"), make(tmp_path / "good.wav", seed=1)
    pool.submit(make(tmp_path / "a.wav", seed=2)).result()  # the worker has started, and works
    first, second = pool.submit(bad), pool.submit(good)
    send(signal.SIGSEGV, reading=bad)
    with pytest.raises(AudioError, match="the decoder crashed \\(SIGSEGV\\)"):
        first.result()
    assert len(second.result().starts) == 3
    with (
        classifier.pool(workers=1, cache=tmp_path / "cache.db") as again,
        pytest.raises(AudioError, match="the decoder crashed"),
    ):
        again.submit(bad).result()


def test_killed_worker_is_not_the_fault_of_the_file(pool: Pool, tmp_path: Path) -> None:
    bad, good = long_track(tmp_path / "bad.mp3"), make(tmp_path / "good.wav", seed=1)
    pool.submit(good).result()
    first = pool.submit(bad)
    send(signal.SIGKILL, reading=bad)
    with pytest.raises(AudioError, match="was killed"):
        first.result()
    assert len(pool.submit(bad).result().starts) == 10


def test_worker_killed_before_it_starts(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawning.WorkerContext, "Process", spawning._Worker)  # no fork
    pending = [pool.submit(make(tmp_path / f"{seed}.wav", seed=seed)) for seed in range(3)]
    send(signal.SIGKILL)  # it needs a second to import the model
    assert [len(future.result().starts) for future in pending] == [3, 3, 3]


def test_worker_killed_while_idle(pool: Pool, tmp_path: Path) -> None:
    assert len(pool.submit(make(tmp_path / "a.wav")).result().starts) == 3
    send(signal.SIGKILL).join()
    assert len(pool.submit(make(tmp_path / "b.wav", seed=1)).result().starts) == 3


def test_timeout_is_cached_until_the_limit_is_raised(
    classifier: GenreClassifier, tmp_path: Path
) -> None:
    path = long_track(tmp_path / "a.mp3")
    for limit in (0.01, 0.01, 0.001):
        with (
            classifier.pool(workers=1, timeout=limit, cache=tmp_path / "cache.db") as pool,
            pytest.raises(AudioError, match=r"not analyzed within 0\.01 s"),
        ):
            pool.submit(path).result()
    with classifier.pool(workers=1, timeout=60, cache=tmp_path / "cache.db") as longer:
        assert len(longer.submit(path).result().starts) == 10


def test_failures_are_retried_on_request(classifier: GenreClassifier, tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav")
    with classifier.pool(workers=1, cache=tmp_path / "cache.db") as pool:
        pool.cache.record_failure(path, AudioError("the decoder crashed"))
        with pytest.raises(AudioError, match="the decoder crashed"):
            pool.submit(path).result()
    for retry in (True, False):
        with classifier.pool(workers=1, cache=tmp_path / "cache.db", retry=retry) as again:
            assert len(again.submit(path).result().starts) == 3


def test_other_exceptions_become_audio_errors(
    classifier: GenreClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)  # no workers can be started

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("frames of no length")

    monkeypatch.setattr("genremodel.batch.worker.analyze_audio", fail)
    with classifier.pool() as pool:
        results = dict(pool.map([str(make(tmp_path / "a.wav")), "a\0b.mp3"]))
    first, second = results.values()
    assert isinstance(first, AudioError)
    assert str(first) == "ZeroDivisionError: frames of no length"
    assert isinstance(second, AudioError)
    assert str(second).startswith("ValueError: ")


def test_missing_file_is_not_cached_as_a_failure(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with pytest.raises(AudioError, match="No such file"):
        pool.submit(path).result()
    make(path)
    assert len(pool.submit(path).result().starts) == 3


def test_unusable_cache_is_a_warning(classifier: GenreClassifier, tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"garbage" * 1000)
    with classifier.pool(workers=1, cache=tmp_path / "cache.db") as pool:
        assert len(pool.submit(make(tmp_path / "a.wav")).result().starts) == 3
        (problem,) = pool.problems
    assert "running without the analysis cache: " in problem
    assert "not a database" in problem


def test_close_does_not_finish_submitted_files(classifier: GenreClassifier, tmp_path: Path) -> None:
    path = make(tmp_path / "a.flac", seconds=60)
    with classifier.pool(workers=1) as pool:
        pending = [pool.submit(path) for _ in range(50)]
    assert all(future.done() for future in pending)
    with pytest.raises(AudioError, match="the pool is closed"):
        pending[-1].result()
    with pytest.raises(AudioError, match="the pool is closed"):
        pool.submit(path).result()


def test_preserved_digest_finds_a_retagged_file(pool: Pool, tmp_path: Path) -> None:
    path = make(tmp_path / "a.flac")
    pool.submit(path).result()
    with pool.cache.preserve_digest(path):
        media = MediaFile(path)
        media.title = "other"
        media.save()
    with Cache(tmp_path / "cache.db") as cache:
        misses = cache.statistics().misses
        assert pool.submit(path).done()
        assert cache.statistics().misses == misses


def test_crash_of_a_function_is_not_cached(pool: Pool, tmp_path: Path) -> None:
    path = long_track(tmp_path / "a.mp3")
    pool.run(len, "").result()  # the worker has started
    converted = pool.run(transcode, path, tmp_path / "a.wav")
    send(signal.SIGSEGV, reading=path)
    with pytest.raises(AudioError, match="crashed"):
        converted.result()
    assert not (tmp_path / "a.wav").exists()
    assert len(pool.submit(path).result().starts) == 10


def test_function_that_hangs_fails_alone(classifier: GenreClassifier) -> None:
    with classifier.pool(workers=2, timeout=1) as pool:
        hanging, other = pool.run(time.sleep, 600), pool.run(len, "four")
        assert other.result() == 4
        with pytest.raises(AudioError, match="not finished within 1 s"):
            hanging.result()


def test_canceled_function_is_stopped(pool: Pool, tmp_path: Path) -> None:
    pool.run(len, "").result()
    (worker,) = multiprocessing.active_children()
    os.mkfifo(tmp_path / "pipe")
    hanging = pool.run(Path.read_bytes, tmp_path / "pipe")
    writer = opened_by_a_reader(tmp_path / "pipe")
    assert hanging.cancel()
    assert pool.run(len, "four").result() == 4
    wait_until(lambda: not worker.is_alive())
    assert hanging.cancelled()
    os.close(writer)


def opened_by_a_reader(pipe: Path) -> int:
    """Return a descriptor to write to a named pipe, once another process reads it."""
    descriptor = -1

    def has_reader() -> bool:
        nonlocal descriptor
        with suppress(OSError):
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        return descriptor >= 0

    wait_until(has_reader)
    return descriptor


def test_close_ends_functions(classifier: GenreClassifier) -> None:
    with classifier.pool(workers=1) as pool:
        pending = [pool.run(time.sleep, 600) for _ in range(3)]
    assert all(future.done() for future in pending)
    errors = [*(future.exception() for future in pending), pool.run(len, "").exception()]
    assert {*map(str, errors)} == {"the pool is closed"}
    assert {*map(type, errors)} == {AudioError}


def test_functions_do_not_run_in_this_process(
    classifier: GenreClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)  # no workers can be started
    with classifier.pool() as pool, pytest.raises(AudioError, match="could not be started"):
        pool.run(os.abort).result()


@pytest.fixture(scope="module")
def shared(classifier: GenreClassifier) -> Iterator[Pool]:
    """Return a pool without a cache, whose worker need not start for each test.

    Its tests are the last ones: those above expect that there is no other worker.
    """
    with classifier.pool(workers=1) as pool:
        yield pool


def test_map_yields_results_and_errors_in_order(shared: Pool, tmp_path: Path) -> None:
    songs = [make(tmp_path / f"{seed}.wav", seed=seed, seconds=9 - 3 * seed) for seed in range(3)]
    paths = [songs[0], tmp_path / "missing.wav", *songs[1:]]
    taken: list[Path] = []

    def read() -> Iterator[Path]:
        for path in paths:
            taken.append(path)
            yield path

    results = shared.map(read(), lookahead=1)
    path, analysis = next(results)
    assert path == songs[0]
    assert not isinstance(analysis, AudioError)
    assert len(taken) == 2  # no more than looked ahead
    assert [path for path, _ in results] == paths[1:]


def test_abandoned_map_cancels_what_has_not_started(shared: Pool, tmp_path: Path) -> None:
    paths = [make(tmp_path / f"{seed}.wav", seed=seed) for seed in range(3)]
    results = shared.map(paths)
    next(results)
    results.close()
    assert len(shared.submit(paths[2]).result().starts) == 3


def test_futures_are_standard_futures(shared: Pool, tmp_path: Path) -> None:
    pending = {shared.submit(make(tmp_path / f"{seed}.wav", seed=seed)) for seed in range(2)}
    assert set(as_completed(pending)) == pending


def test_functions_run_beside_analyses(shared: Pool, tmp_path: Path) -> None:
    path = make(tmp_path / "a.wma", seconds=5.5)
    analysis, image = shared.submit(path), shared.run(spectrogram_image, path)
    seconds = shared.run(transcode, path, tmp_path / "a.wav", max_bytes=1 << 20).result()
    assert image.result().seconds == pytest.approx(seconds, abs=0.01)
    assert shared.run(media_type, path).result() is None
    assert len(analysis.result().starts) == 3
    with pytest.raises(AudioError, match="No such file"):
        shared.run(media_type, tmp_path / "none.mp3").result()
    with pytest.raises(AudioError, match="ValueError: invalid literal"):
        shared.run(int, "four").result()


def test_function_that_crashes_fails_alone(shared: Pool, tmp_path: Path) -> None:
    path = long_track(tmp_path / "a.mp3")
    good = shared.run(media_type, path)
    bad = [shared.run(os.abort), shared.run(os._exit, 3)]
    assert shared.run(media_type, path).result() == good.result() == "audio/mpeg"
    for future, reason in zip(bad, ("SIGABRT", "exit status 3"), strict=True):
        with pytest.raises(AudioError, match=f"the decoder crashed \\({reason}\\)"):
            future.result()
