"""The SQLite file of the journal: its tables, opening, reading and writing."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from beetsplug.genreclf.storage.errors import JournalError, describe

_VERSION = 1  # of the tables; newer ones are refused
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    started REAL NOT NULL,
    command TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs (id),
    time REAL NOT NULL,
    journal_id TEXT NOT NULL,
    place TEXT NOT NULL,
    path TEXT NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    author TEXT NOT NULL,
    undone REAL
);
CREATE TABLE IF NOT EXISTS unwritten (
    journal_id TEXT PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS redo_log (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL,
    inode TEXT NOT NULL,
    old_size INTEGER NOT NULL,
    new_size INTEGER NOT NULL,
    changes BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS copies (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL,
    inode TEXT
);
CREATE TABLE IF NOT EXISTS unplaced (
    path BLOB PRIMARY KEY,
    added REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recordings (
    journal_id TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    digest BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS recordings_by_path ON recordings (path);
CREATE INDEX IF NOT EXISTS recordings_by_digest ON recordings (digest);
CREATE INDEX IF NOT EXISTS changes_by_journal_id ON changes (journal_id, undone);
CREATE INDEX IF NOT EXISTS changes_by_run ON changes (run);
CREATE INDEX IF NOT EXISTS changes_by_user ON changes (time) WHERE author = 'user';
"""
IN_MEMORY = Path(":memory:")  # SQLite's name of a database without a file


class JournalDatabase:
    """The file of a journal, which is created by the first write.

    Raises JournalError when it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._mutex = threading.Lock()  # the stages of an import are threads

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def close(self) -> None:
        """Close the file."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        self.close()  # Python 3.13 warns of connections that are not closed

    def write(self, *statements: tuple[str, Iterable[tuple[Any, ...]]]) -> int:
        """Run each statement for each of its rows in one transaction; return the last row id."""
        try:
            with self._mutex, self._connected() as connection:
                cursor = connection.cursor()
                for sql, rows in statements:
                    for row in rows:
                        cursor.execute(sql, row)
                return cursor.lastrowid or 0
        except (sqlite3.Error, OSError) as exc:
            raise JournalError(describe(self._path, exc)) from exc

    def write_unsynced(self, sql: str, row: tuple[Any, ...]) -> None:
        """Run a statement without waiting for the disk. A power failure may undo it."""
        try:
            with self._mutex:
                connection = self._connected()
                connection.execute("PRAGMA synchronous = NORMAL")
                try:
                    with connection:
                        connection.execute(sql, row)
                finally:
                    connection.execute("PRAGMA synchronous = FULL")
        except (sqlite3.Error, OSError) as exc:
            raise JournalError(describe(self._path, exc)) from exc

    def read(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """Return the rows of a query; none if there is no journal yet."""
        if not self._connection and not self._path.exists():
            return []
        try:
            with self._mutex:
                return self._connected().execute(sql, values).fetchall()
        except (sqlite3.Error, OSError) as exc:
            raise JournalError(describe(self._path, exc)) from exc

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = _opened(self._path)
            try:
                connection.text_factory = _text
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Create the tables. Raises JournalError if a newer version created them."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if not 0 <= version <= _VERSION:
            raise JournalError(
                f"{self._path}: written by a newer version of genreclf (format {version}, "
                f"supported up to {_VERSION}); no changes made: update the plugin"
            )
        # A change must be on the disk before it is made: one fsync each.
        connection.execute("PRAGMA synchronous = FULL")
        if version == 0:  # a new file
            from genremodel.batch.sqlite_files import use_write_ahead_log  # slow to import

            use_write_ahead_log(connection)
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA}; PRAGMA user_version = {_VERSION}; COMMIT"
            )


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file, read-only if it or its folder cannot be written."""
    if _is_writable(path):
        return sqlite3.connect(path, timeout=60, check_same_thread=False)
    from genremodel.batch.sqlite_files import open_read_only  # slow to import, and rarely needed

    return open_read_only(path)


def _is_writable(path: Path) -> bool:
    """Return whether a file, which may not exist yet, and its folder can be written."""
    if path == IN_MEMORY or not path.exists():
        return True
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
