"""Files that several runs create at the same moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest

from beetsplug.genreclf.storage.journal_database import JournalDatabase
from genremodel.batch.cache import Cache


def _create_cache(path: Path) -> None:
    with Cache(path, "version") as cache:
        cache.get_digest(b"digest")
    assert cache.error is None


def _create_journal(path: Path) -> None:
    journal = JournalDatabase(path)
    journal.write(("INSERT INTO runs (started, command) VALUES (?, ?)", [(0.0, "genreclf")]))
    journal.close()


@pytest.mark.parametrize("create", [_create_cache, _create_journal])
def test_new_file_waits_for_another_run_that_creates_it(
    tmp_path: Path, create: Callable[[Path], None]
) -> None:
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    finish = Timer(0.2, other.close)
    finish.start()
    create(path)
    finish.join()
