"""The file format of the cache of analyses: its tables, and what a row of results means."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TypeAlias

from genremodel.analysis import Analysis
from genremodel.errors import AnalysisTimeout, AudioError
from genremodel.similarity import track_embedding

# Of the tables and the digests. A cache in an older format is replaced by an empty one: its digests
# may be shared by different recordings. One in a newer format is not used: two versions of the
# program would empty each other's.
_FORMAT = 7
_APPLICATION_ID = int.from_bytes(b"gclf", "big")  # in the file: identifies a cache of any format
# places: the number of places that windows are chosen among, see `place_count`.
_SCHEMA = """
CREATE TABLE files (
    path BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    digest BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX files_by_digest ON files (digest);
CREATE TABLE analyses (
    digest BLOB NOT NULL,
    version TEXT NOT NULL,
    places INTEGER NOT NULL,
    content BLOB,
    failure TEXT,
    timeout REAL,
    PRIMARY KEY (digest, version, places)
);
CREATE TABLE embeddings (
    digest BLOB NOT NULL,
    version TEXT NOT NULL,
    places INTEGER NOT NULL,
    embedding BLOB NOT NULL,
    PRIMARY KEY (digest, version, places)
) WITHOUT ROWID;
CREATE TABLE statistics (hits INTEGER NOT NULL, misses INTEGER NOT NULL);
INSERT INTO statistics VALUES (0, 0);
"""

Statement: TypeAlias = tuple[str, tuple[object, ...]]
"""SQL and its values."""


def parse_result(
    content: bytes | None, failure: str | None, timeout: float | None
) -> Analysis | AudioError:
    """Return the analysis or failure in a row. Raises TypeError, ValueError if it is damaged."""
    if timeout is not None:
        return AnalysisTimeout(timeout)
    if failure is not None:
        return AudioError(failure)
    if content is None:
        raise TypeError("neither an analysis nor a failure")
    return Analysis.from_bytes(content)


def put_statements(key: tuple[bytes, str, int], result: Analysis | AudioError) -> list[Statement]:
    """Return the statements that store a result, and the embedding, if any.

    key: audio digest, analysis version and number of places.
    """
    values: tuple[bytes | None, str | None, float | None]
    embedding = None
    if isinstance(result, AudioError):
        limit = result.limit if isinstance(result, AnalysisTimeout) else None
        values = None, str(result).encode(errors="replace").decode(), limit
    else:
        values = result.to_bytes(), None, None
        with suppress(ValueError):  # the KNN fallback has none
            embedding = track_embedding(result)
    statements: list[Statement] = [
        ("INSERT OR REPLACE INTO analyses VALUES (?, ?, ?, ?, ?, ?)", (*key, *values))
    ]
    if embedding:
        sql = "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)"
        statements.append((sql, (*key, embedding)))
    return statements


def is_current(connection: sqlite3.Connection) -> bool:
    """Return True if a database is in the format of this version of the program."""
    return _format(connection) == _FORMAT


def is_intact(connection: sqlite3.Connection) -> bool:
    """Return True if a database has exactly the tables that `create` makes."""
    with closing(sqlite3.connect(":memory:")) as new:
        create(new)
        return _schema(connection) == _schema(new)


def _schema(connection: sqlite3.Connection) -> set[tuple[str, str, str | None]]:
    return {*connection.execute("SELECT type, name, sql FROM sqlite_master")}


def _format(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def require_older_cache(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.Error if a database is neither a cache in an older format nor empty."""
    tables = _tables(connection)  # first: another process may create them meanwhile
    if tables:
        require_cache(connection)


def require_cache(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.Error if a database is no cache, or one in a newer format."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id != _APPLICATION_ID:
        raise sqlite3.DatabaseError("not a cache of analyses")
    if _format(connection) > _FORMAT:
        raise sqlite3.DatabaseError("written by a newer version of this program")


def create(connection: sqlite3.Connection) -> None:
    """Create the tables, and drop those of another format."""
    for table in _tables(connection):
        connection.execute(f'DROP TABLE "{table}"')
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {_FORMAT}")


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [name for (name,) in rows if not name.startswith("sqlite_")]  # those are of SQLite
