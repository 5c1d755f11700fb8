"""A cluster gives the results of local workers, and files fail alone."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from mediafile import MediaFile

from genremodel import ClusterError, GenreClassifier
from genremodel.cluster import Cluster, connection
from genremodel.cluster.tasks import FilesTask
from genremodel.models import bundled
from tests.cluster.hanging_mount import hanging
from tests.cluster.processes import LocalCluster
from tests.cluster.results import TIMEOUT, failures, faulty_pool, rows
from tests.conftest import Beets
from tests.platforms import linux, posix
from tests.sounds import long_track, make, melody, write
from training.datasets.track import Track
from training.methods import Networks
from training.reading import Reader


@pytest.fixture(scope="module")
def classifier() -> GenreClassifier:
    return GenreClassifier()


@pytest.fixture
def cluster(shared: LocalCluster) -> Cluster:
    return Cluster(shared.address)


def test_cache_equals_that_of_local_workers(
    classifier: GenreClassifier, cluster: Cluster, songs: list[Path], tmp_path: Path
) -> None:
    share, mount = tmp_path / "share", tmp_path / "mounted elsewhere"
    share.mkdir()
    mount.symlink_to(share)
    files = [*map(Path, (shutil.copy2(song, share) for song in songs[:10]))]
    files.append(write(share / "silent.wav", melody(5) * 0))
    files.append(long_track(share / "long ♪ track.mp3"))
    (share / "damaged.mp3").write_bytes(b"no audio" * 100)
    files += [share / "damaged.mp3", Path(shutil.copy2(songs[0], share / "copy.wav"))]
    mapped = Cluster(cluster.address, {str(share): str(mount)})
    runs = {
        name: [*classifier.predict_many(files, cache=tmp_path / name, workers=1, cluster=where)]
        for name, where in (("local.db", None), ("cluster.db", mapped))
    }
    local, remote = runs.values()
    assert repr(remote) == repr(local)
    assert [*failures(remote)] == ["damaged.mp3"]
    assert rows(tmp_path / "cluster.db") == rows(tmp_path / "local.db")
    nowhere = Cluster("tcp://127.0.0.1:1", {str(share): str(mount)})  # and none is needed
    again = classifier.predict_many(files, cache=tmp_path / "cluster.db", cluster=nowhere)
    assert repr([*again]) == repr(local)


@posix
def test_crash_sleep_and_hang_fail_alone(
    cluster: Cluster, songs: list[Path], tmp_path: Path
) -> None:
    bad = [make(tmp_path / name, seed=100 + seed) for seed, name in enumerate(FAULTS)]
    files = [*songs[:5], *bad[:2], *songs[5:30], *bad[2:]]
    with faulty_pool(cluster, tmp_path / "cache.db") as pool:
        results = [*pool.map(files)]
    assert [path for path, _ in results] == files
    assert failures(results) == FAULTS
    nowhere = Cluster("tcp://127.0.0.1:1")
    with faulty_pool(nowhere, tmp_path / "cache.db") as pool:
        assert failures([*pool.map(files)]) == FAULTS


FAULTS = {
    "crash.wav": "the decoder crashed (SIGSEGV)",
    "sleep.wav": f"not analyzed within {TIMEOUT} s",
    "hang.wav": f"not analyzed within {TIMEOUT} s",
}


def test_two_clients_at_once(cluster: Cluster, songs: list[Path], tmp_path: Path) -> None:
    def analyze(number: int) -> list[tuple[Path, object]]:
        with faulty_pool(cluster, tmp_path / f"{number % 2}.db", 0.05) as pool:
            return [*pool.map(songs)]

    with ThreadPoolExecutor() as threads:
        for results in threads.map(analyze, range(3)):
            assert [path for path, _ in results] == songs
            assert not failures(results)
    assert rows(tmp_path / "0.db")["analyses"] == rows(tmp_path / "1.db")["analyses"]


def test_file_that_differs_on_the_worker_is_not_stored(
    classifier: GenreClassifier, cluster: Cluster, songs: list[Path], tmp_path: Path
) -> None:
    for name in ("share", "stale"):
        (tmp_path / name).mkdir()
    good = Path(shutil.copy2(songs[0], tmp_path / "share/good.wav"))
    shutil.copy2(songs[0], tmp_path / "stale/good.wav")
    changed = Path(shutil.copy2(songs[0], tmp_path / "share/changed.wav"))
    shutil.copy2(songs[0], tmp_path / "stale/changed.wav")
    os.utime(changed, ns=(0, changed.stat().st_mtime_ns + 1_000_000))
    missing = Path(shutil.copy2(songs[0], tmp_path / "share/missing.wav"))
    mapped = Cluster(cluster.address, {str(tmp_path / "share"): str(tmp_path / "stale")})
    files, cache = [good, changed, missing], tmp_path / "cache.db"
    results = [*classifier.predict_many(files, cache=cache, cluster=mapped)]
    assert failures(results) == {
        "changed.wav": "the machine that analyzed it sees another size or time of the file",
        "missing.wav": "No such file or directory on the machine that analyzes it",
    }
    assert [row[0] for row in rows(cache)["files"]] == [os.fsencode(good)]
    assert len(rows(cache)["analyses"]) == 1


def test_missing_files_fail_alone(
    classifier: GenreClassifier, cluster: Cluster, songs: list[Path], tmp_path: Path
) -> None:
    files = [songs[0], tmp_path / "missing.wav", tmp_path, songs[1]]
    results = [*classifier.predict_many(files, cluster=cluster)]
    assert failures(results)["missing.wav"] == "No such file or directory"
    assert len(failures(results)) == 2


def test_share_that_is_not_mounted(
    classifier: GenreClassifier, cluster: Cluster, songs: list[Path], tmp_path: Path
) -> None:
    paths = {str(songs[0].parent): str(tmp_path / "not mounted")}
    with pytest.raises(
        ClusterError, match=r"the worker \S+ cannot read the folder of .*\.wav; check that"
    ):
        [*classifier.predict_many(songs, cluster=Cluster(cluster.address, paths))]


def test_share_that_disappears(cluster: Cluster, songs: list[Path], tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.symlink_to(songs[0].parent)
    mapped = Cluster(cluster.address, {str(songs[0].parent): str(mount)})
    with faulty_pool(mapped, tmp_path / "cache.db", 0.1) as pool:
        results = pool.map(songs)
        finished = [next(results) for _ in range(4)]
        mount.unlink()
        with pytest.raises(ClusterError, match="check that it is mounted"):
            finished += results
    known = {row[0] for row in rows(tmp_path / "cache.db")["files"]}
    assert {os.fsencode(path) for path, _ in finished} <= known
    assert 4 <= len(known) < len(songs)


@pytest.mark.parametrize("is_mapped", [True, False])
def test_share_that_disappears_on_this_machine(
    cluster: Cluster, songs: list[Path], tmp_path: Path, is_mapped: bool
) -> None:
    (mount := tmp_path / "mount").symlink_to(songs[0].parent)
    paths = {str(mount): str(songs[0].parent)} if is_mapped else {}
    with faulty_pool(Cluster(cluster.address, paths), tmp_path / "cache.db", 0.1) as pool:
        results = pool.map([mount / song.name for song in songs * 4])
        finished = [next(results)]
        mount.unlink()
        with pytest.raises(ClusterError, match="mount: this folder is missing or empty; "):
            finished += results
    assert not failures(finished)
    assert rows(tmp_path / "cache.db")["files"]


@linux
def test_share_that_hangs_on_a_worker(cluster: Cluster, songs: list[Path], tmp_path: Path) -> None:
    (mount := tmp_path / "mount").mkdir()
    mapped = Cluster(cluster.address, {str(songs[0].parent): str(mount)})
    with (
        hanging(mount),
        faulty_pool(mapped, timeout=1) as pool,
        pytest.raises(ClusterError, match=r"the worker \S+ gets no answer from the share of .*wav"),
    ):
        [*pool.map(songs[:2])]


def test_file_outside_the_folders_of_the_workers_fails_alone(
    cluster: Cluster, songs: list[Path], tmp_path: Path
) -> None:
    folder = str(songs[0].parent)
    files = [make(tmp_path / "outside.wav"), *songs[:9]]
    with faulty_pool(Cluster(cluster.address, {folder: folder})) as pool:
        results = [*pool.map(files)]
    assert failures(results) == {"outside.wav": "in none of the folders of `paths`"}


def test_scheduler_forgets_tasks(cluster: Cluster) -> None:
    def notes(dask_scheduler: Any) -> int:
        span = dask_scheduler.extensions["spans"].spans_search_by_name["default",][-1]
        return len(span.metadata["collections"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "_TRIM_EVERY", 32)
        window = threading.Semaphore(8)
        with closing(connection.Connection(cluster, {})) as opened:
            for _ in range(200):
                assert window.acquire(timeout=60)
                opened.submit(FilesTask({}, (), 1, 1), lambda answer: window.release())
            assert opened._client.run_on_scheduler(notes) < 100


def test_close_ends_what_is_not_finished(cluster: Cluster, songs: list[Path]) -> None:
    with faulty_pool(cluster, seconds=0.5) as pool:
        pending = [pool.submit(song) for song in songs]
        start = monotonic()
    assert monotonic() - start < 10
    assert str(pending[-1].exception()) == "the pool is closed"
    assert str(pool.submit(songs[0]).exception()) == "the pool is closed"


def test_training_reads_through_a_cluster(
    cluster: Cluster, songs: list[Path], tmp_path: Path
) -> None:
    networks = Networks.in_folder(bundled.FOLDER)
    tracks = [Track(song, song.stem, "rock") for song in songs[:3]]
    local, remote = (
        Reader(tmp_path / f"{bool(where)}.db", workers=1, cluster=where).outputs(tracks, networks)
        for where in (None, cluster)
    )
    assert remote.values.tobytes() == local.values.tobytes()


def test_functions_run_on_this_machine(classifier: GenreClassifier, cluster: Cluster) -> None:
    with classifier.pool(workers=1, cluster=cluster) as pool:
        worker = pool.run(os.getpid).result()
        assert worker in {process.pid for process in multiprocessing.active_children()}


def test_command_and_import(beets: Beets, shared: LocalCluster) -> None:
    for number in range(3):
        beets.add(f"album/{number}.mp3", seed=number)
    beets.settings["genreclf"]["cluster"] = {
        "address": shared.address,
        "paths": {str(beets.music): str(beets.music), str(beets.library): str(beets.library)},
    }
    beets.import_music()
    assert all(beets.field("genre_model"))
    beets("genreclf", "--force", "--no-cache")
    assert all(beets.field("genre_model"))
    beets.settings["genreclf"]["cluster"]["paths"] = {str(beets.music): "/music"}
    outside = beets.run("genreclf", "--force", "--no-cache")
    assert outside.returncode == 1
    assert outside.stderr.count("in none of the folders of `paths`") == 3
    beets.settings["genreclf"].pop("cluster")
    cached = beets("genreclf", "--force", "-p")
    assert not re.search(r"[1-9]\d* failed", cached)
    assert MediaFile(beets.files()[0]).title


def test_unusable_cache_is_a_warning(
    classifier: GenreClassifier, cluster: Cluster, songs: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "cache.db").write_bytes(b"garbage" * 1000)
    with classifier.pool(cache=tmp_path / "cache.db", cluster=cluster) as pool:
        assert len(pool.submit(make(tmp_path / "a.wav")).result().starts) == 3
        (problem,) = pool.problems
    assert "running without the analysis cache: " in problem
