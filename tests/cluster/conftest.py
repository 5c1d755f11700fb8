"""End-to-end tests of clusters, with schedulers and workers on loopback: `make test-cluster`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.processes import LocalCluster
from tests.sounds import make

_SONGS = 40


@pytest.fixture(autouse=True, scope="session")
def _enabled(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--cluster"):
        pytest.skip("needs Dask: make test-cluster")


@pytest.fixture(scope="session")
def shared(_enabled: None) -> Iterator[LocalCluster]:
    """Start a cluster that no test harms."""
    with LocalCluster(workers=2) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return short songs, which no test changes."""
    folder = tmp_path_factory.mktemp("songs")
    return [make(folder / f"{seed}.wav", seconds=5, seed=seed) for seed in range(_SONGS)]
