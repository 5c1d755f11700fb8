"""Pools of a cluster, and what they leave behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from genremodel import AudioError
from genremodel.batch.pool import Pool
from genremodel.batch.worker import WorkerConfig
from genremodel.cluster import Cluster
from tests.cluster.faulty_method import FaultyMethod

TIMEOUT = 3


def rows(cache: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that a cache has."""
    tables = ("files", "analyses", "embeddings", "statistics")
    with closing(sqlite3.connect(cache)) as database:
        return {
            table: sorted(database.execute(f"SELECT * FROM {table}"), key=repr) for table in tables
        }


@contextmanager
def faulty_pool(
    cluster: Cluster, cache: Path | None = None, seconds: float = 0, timeout: float = TIMEOUT
) -> Iterator[Pool]:
    method = FaultyMethod(seconds)
    config = WorkerConfig(method, 1, cache, timeout, retry=False)
    with Pool(config, method, cluster=cluster.workers) as pool:
        yield pool


def failures(results: Sequence[tuple[Path, object]]) -> dict[str, str]:
    return {path.name: str(result) for path, result in results if isinstance(result, AudioError)}
