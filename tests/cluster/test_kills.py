"""Workers and schedulers that are killed."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import sleep

import pytest

from genremodel.cluster import Cluster, cluster_workers
from tests.cluster.processes import (
    LocalCluster,
    RestartedWorker,
    children,
    is_running,
)
from tests.cluster.results import failures, faulty_pool, rows
from tests.conftest import Beets
from tests.platforms import linux, posix
from tests.sounds import make
from tests.waiting import wait_until

_TRACKS = 40


@linux
def test_killed_worker_loses_nothing(songs: list[Path], tmp_path: Path) -> None:
    with LocalCluster(workers=2) as local:
        victim = local.workers[0]
        orphans = children(victim.process.pid)
        assert orphans
        with faulty_pool(Cluster(local.address), tmp_path / "cache.db", 0.1) as pool:
            results = pool.map(songs)
            finished = [next(results)]
            victim.kill()
            finished += results
        assert [path for path, _ in finished] == songs
        assert not failures(finished)
        assert len(rows(tmp_path / "cache.db")["files"]) == len(songs)
        wait_until(lambda: not any(map(is_running, orphans)))


def test_idle_client_waits_for_workers_that_are_started_again(songs: list[Path]) -> None:
    with (
        LocalCluster(workers=1) as local,
        faulty_pool(Cluster(local.address)) as pool,
        pytest.MonkeyPatch.context() as patch,
    ):
        pool.submit(songs[0]).result()
        patch.setattr(cluster_workers, "_PATIENCE", 20)
        patch.setattr(cluster_workers, "_POLL_SECONDS", 1)
        sleep(21)
        local.workers[0].kill()
        future = pool.submit(songs[1])
        sleep(3)
        local.add()
        future.result()


def test_worker_that_joins_late_takes_over(songs: list[Path]) -> None:
    with (
        LocalCluster(workers=1) as local,
        faulty_pool(Cluster(local.address), seconds=0.1) as pool,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(cluster_workers, "_COUNT_SECONDS", 0)
        patch.setattr(cluster_workers, "_LEAST_LOOKAHEAD", 16)
        results = pool.map(songs)
        finished = [next(results)]
        assert pool.lookahead == 16
        local.add(processes=2)
        local.workers[0].kill()
        finished += results
        pool.submit(songs[0]).result()
        assert pool.lookahead == 32
    assert [path for path, _ in finished] == songs
    assert not failures(finished)


@posix
def test_file_that_kills_its_worker_each_time_fails_alone(
    songs: list[Path], tmp_path: Path
) -> None:
    bad = make(tmp_path / "kill-worker.wav", seed=100)
    files = [*songs[:3], bad, *songs[3:20]]
    with (
        LocalCluster(workers=1, allowed_failures=0) as local,
        RestartedWorker(local) as worker,
        faulty_pool(Cluster(local.address), tmp_path / "cache.db") as pool,
    ):
        results = [*pool.map(files)]
        assert worker.deaths
    assert failures(results) == {bad.name: "each worker that analyzed it ended unexpectedly"}
    assert [path for path, _ in results] == files


@posix
def test_command_resumes_after_the_scheduler_was_killed(beets: Beets) -> None:
    for number in range(_TRACKS):
        beets.add(f"{number}.mp3", seed=number)
    beets.settings["genreclf"]["auto"] = False
    beets.import_music("--singletons")
    with LocalCluster(workers=1) as local:
        beets.settings["genreclf"]["cluster"] = {"address": local.address}
        beets.write_settings()
        cache = beets.root / "genreclf-cache.db"
        with ThreadPoolExecutor() as threads:
            command = threads.submit(beets.run, "genreclf")
            wait_until(lambda: analyses(cache))
            local.scheduler.kill()
            done = command.result()
        assert done.returncode == 1
        (problem,) = done.stderr.splitlines()[-1:]
        assert problem.endswith(
            f"{local.address}: the connection to the scheduler is lost; run the command again to "
            "resume"
        )
        assert "Traceback" not in done.stderr
        finished = analyses(cache)
        assert 0 < finished < _TRACKS
        wait_until(lambda: local.workers[0].process.poll() is not None)
        assert local.workers[0].process.returncode == 1
        assert "connection to the scheduler is lost" in local.workers[0].output
        with LocalCluster(workers=1, port=local.port) as again:
            assert again.address == local.address
            beets("genreclf")
        assert analyses(cache) == _TRACKS
    assert all(beets.field("genre_model"))


def analyses(cache: Path) -> int:
    """Return how many analyses a cache has, which another process may be creating."""
    if not cache.exists():
        return 0
    with closing(sqlite3.connect(cache)) as database:
        try:
            return int(database.execute("SELECT COUNT(*) FROM analyses").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
