"""What has been analysed, kept, so that it is never done again."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genremodel.analysis import Analysis
from genremodel.audio.decoding import AnalysisTimeout, AudioError, PathLike
from genremodel.batch.databases import open_read_only

# Of the tables and the digests. A cache of another form is begun anew: its digests may be shared by
# recordings that differ.
_FORM = 4
_TABLES = ("files", "analyses", "places", "requests")
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
    asked INTEGER NOT NULL,
    windows INTEGER NOT NULL,
    content BLOB,
    failure TEXT,
    timeout REAL,
    PRIMARY KEY (digest, version, asked)
);
CREATE TABLE places (
    digest BLOB NOT NULL,
    version TEXT NOT NULL,
    asked INTEGER NOT NULL,
    place BLOB,
    PRIMARY KEY (digest, version, asked)
) WITHOUT ROWID;
CREATE TABLE requests (hits INTEGER NOT NULL, misses INTEGER NOT NULL);
INSERT INTO requests VALUES (0, 0);
"""
_FORGET_PLACES = (
    "DELETE FROM places WHERE (digest, version) NOT IN (SELECT digest, version FROM analyses)"
)
_BATCH = 500  # recordings that are placed before it is written down
_LOCATE = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)"


class CacheError(Exception):
    """The cache cannot be read or written; it can be done without."""


@dataclass(frozen=True)
class FileState:
    """A file as it is now. mtime: nanoseconds."""

    path: bytes
    size: int
    mtime: int

    @classmethod
    def of(cls, path: PathLike) -> FileState:
        """Return the state of the file at a path. Raises OSError."""
        absolute = os.path.abspath(os.fsencode(path))  # noqa: PTH100  # bytes
        stat = os.stat(absolute)  # noqa: PTH116
        return cls(absolute, stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True)
class CacheStatistics:
    """What a cache holds, and how often it had what was asked for. size: bytes."""

    analyses: int
    failures: int
    files: int
    size: int
    hits: int
    misses: int


class Cache:
    """The analyses of one version of a backend, with so many windows asked for, in an SQLite file.

    Several processes may use it at once. Methods raise CacheError, and then nothing is changed.
    Where the file or its folder is read-only, it is read, and what is new is not kept.
    """

    def __init__(self, path: Path, version: str = "", windows: int = 0) -> None:
        self.path = path
        self._key = (version, windows)
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._hits = 0
        self._read_only = path.exists() and not (
            os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        )

    def of_file(self, file: FileState) -> Analysis | AudioError | None:
        """Return what is known of a file that is as it was: its analysis, or why it has none."""
        found = self._find(
            "SELECT windows, content, failure, timeout FROM files JOIN analyses USING (digest) "
            "WHERE path = ? AND size = ? AND mtime = ? AND version = ? AND asked = ?",
            (*_row(file), *self._key),
        )
        self._hits += found is not None
        return found

    def of_audio(self, digest: bytes, file: FileState) -> Analysis | AudioError | None:
        """Return what is known of a recording, and remember that a file holds it."""
        found = self._of_digest(digest)
        self._remember(
            (_LOCATE, (*_row(file), digest)),
            ("UPDATE requests SET hits = hits + ?, misses = misses + ?", (bool(found), not found)),
        )
        return found

    def locate(self, digest: bytes, file: FileState) -> None:
        """Remember that a file holds a recording."""
        self._remember((_LOCATE, (*_row(file), digest)))

    def places(self, place: Callable[[Analysis], bytes | None]) -> dict[bytes, bytes]:
        """Return where recordings lie by the paths of their files, except those that lie nowhere.

        place: tells that of an analysis; once, then it is kept beside it.
        """
        new = self._execute(
            "SELECT digest FROM analyses WHERE version = ? AND asked = ? AND failure IS NULL "
            "EXCEPT SELECT digest FROM places WHERE version = ? AND asked = ?",
            self._key * 2,
        )
        unkept: dict[bytes, bytes | None] = {}
        for start in range(0, len(new), _BATCH):
            some = [digest for (digest,) in new[start : start + _BATCH]]
            found = {digest: self._of_digest(digest) for digest in some}
            placed = {
                digest: place(analysis)
                for digest, analysis in found.items()
                if isinstance(analysis, Analysis)
            }
            self._remember(
                *(
                    ("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)",
                     (digest, *self._key, where))
                    for digest, where in placed.items()
                )
            )  # fmt: skip
            if self._read_only:
                unkept |= placed
        files = self._execute("SELECT path, digest FROM files") if unkept else []
        return {path: where for path, digest in files if (where := unkept.get(digest))} | dict(
            self._execute(
                "SELECT path, place FROM files JOIN places USING (digest) "
                "WHERE version = ? AND asked = ? AND place IS NOT NULL",
                self._key,
            )
        )

    def follow(self, source: FileState, file: FileState, digest: Callable[[], bytes]) -> None:
        """Remember where a file is that has been moved or copied, if it is known.

        source: as it was there. digest: finds that of the file, if the source has been changed.
        """
        for known, *state in self._execute(
            "SELECT digest, size, mtime FROM files WHERE path = ?", (source.path,)
        ):
            self.locate(known if state == [source.size, source.mtime] else digest(), file)

    def digest_of(self, file: FileState) -> bytes | None:
        """Return the digest of the recording in a file that is as it was, if it is known."""
        rows = self._execute(
            "SELECT digest FROM files WHERE path = ? AND size = ? AND mtime = ?", _row(file)
        )
        return rows[0][0] if rows else None

    def keep(self, digest: bytes, result: Analysis | AudioError) -> None:
        """Keep an analysis of a recording, or why it has none."""
        values: tuple[int, bytes | None, str | None, float | None]
        if isinstance(result, AudioError):
            limit = result.limit if isinstance(result, AnalysisTimeout) else None
            values = 0, None, str(result).encode(errors="replace").decode(), limit
        else:
            values = len(result.starts), result.to_bytes(), None, None
        sql = "INSERT OR REPLACE INTO analyses VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._remember((sql, (digest, *self._key, *values)))

    def statistics(self) -> CacheStatistics:
        """Return what the cache holds, of all versions."""
        (row,) = self._execute(
            "SELECT (SELECT COUNT(*) FROM analyses WHERE failure IS NULL), "
            "(SELECT COUNT(*) FROM analyses WHERE failure IS NOT NULL), "
            "(SELECT COUNT(*) FROM files), "
            "(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size), "
            "hits, misses FROM requests"
        )
        return CacheStatistics(*row)

    def prune(self) -> int:
        """Forget files that are gone, and recordings that no file holds; return how many of those.

        Analyses of another version than this cache's, if it has one, are forgotten as well.
        """
        files = self._execute("SELECT path FROM files")
        gone = [path for path in files if not os.path.exists(path[0])]  # noqa: PTH110  # bytes
        before = self.statistics()
        self._write(
            *(("DELETE FROM files WHERE path = ?", path) for path in gone),
            (
                "DELETE FROM analyses WHERE ? NOT IN ('', version) OR digest NOT IN "
                "(SELECT digest FROM files)",
                self._key[:1],
            ),
            (_FORGET_PLACES, ()),
        )
        self._execute("VACUUM")
        after = self.statistics()
        return before.analyses + before.failures - after.analyses - after.failures

    def clear(self) -> None:
        """Forget everything."""
        self._write(
            ("DELETE FROM files", ()),
            ("DELETE FROM analyses", ()),
            (_FORGET_PLACES, ()),
            ("UPDATE requests SET hits = 0, misses = 0", ()),
        )
        self._execute("VACUUM")

    def close(self) -> None:
        """Let go of the file."""
        if self._connection:
            if self._hits:
                with suppress(CacheError):
                    self._remember(("UPDATE requests SET hits = hits + ?", (self._hits,)))
            self._hits = 0
            self._connection.close()
            self._connection = None

    def _of_digest(self, digest: bytes) -> Analysis | AudioError | None:
        return self._find(
            "SELECT windows, content, failure, timeout FROM analyses "
            "WHERE digest = ? AND version = ? AND asked = ?",
            (digest, *self._key),
        )

    def _find(self, sql: str, values: tuple[object, ...]) -> Analysis | AudioError | None:
        for windows, content, failure, timeout in self._execute(sql, values):
            if timeout is not None:
                return AnalysisTimeout(timeout)
            if failure is not None:
                return AudioError(failure)
            try:
                return Analysis.from_bytes(content, windows)
            except (TypeError, ValueError) as exc:
                raise CacheError(f"{self.path}: {exc}") from exc
        return None

    def _execute(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._connected().execute(sql, values).fetchall()
        except (sqlite3.Error, OSError) as exc:
            raise self._error(exc) from exc

    def _write(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        try:
            with self._lock, self._connected() as connection:
                for sql, values in statements:
                    connection.execute(sql, values)
        except (sqlite3.Error, OSError) as exc:
            raise self._error(exc) from exc

    def _error(self, error: Exception) -> CacheError:
        """Return why the file cannot be used. SQLite does not say that it is for the folder."""
        folder = self.path.parent
        if not folder.is_dir():
            return CacheError(f"{folder}: no such folder")
        if not os.access(folder, os.W_OK):
            return CacheError(f"{folder}: the folder cannot be written")
        return CacheError(f"{self.path}: {error}")

    def _remember(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        """Write what can be found out again, unless the file is read-only."""
        if not self._read_only:
            self._write(*statements)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = self._opened()
            try:
                connection.execute("PRAGMA synchronous = NORMAL")
                if _form(connection) != _FORM:
                    _require_cache(connection)
                    connection.execute("PRAGMA journal_mode = WAL")
                    with connection:
                        connection.execute("BEGIN IMMEDIATE")
                        if _form(connection) != _FORM:  # nobody else has begun it meanwhile
                            _begin(connection)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        if self._read_only:
            return open_read_only(self.path)
        return sqlite3.connect(self.path, timeout=60, check_same_thread=False)


def _form(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _require_cache(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.Error where there are other tables than those of a cache of any form."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    if not {name for (name,) in tables} <= {*_TABLES}:
        raise sqlite3.DatabaseError("not a cache of analyses")


def _begin(connection: sqlite3.Connection) -> None:
    """Make the tables, in the place of those of another form."""
    for table in _TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {_FORM}")


def _row(file: FileState) -> tuple[bytes, int, int]:
    return file.path, file.size, file.mtime
