"""SQLite cache of analyses, keyed by audio digest, analysis version and number of places."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genremodel.analysis import Analysis
from genremodel.audio.decoding import PathLike
from genremodel.audio.digest import audio_digest
from genremodel.audio.places import place_count
from genremodel.batch.cache_format import (
    Statement,
    create,
    is_current,
    parse_result,
    put_statements,
    require_older_cache,
)
from genremodel.batch.sqlite_files import open_read_only, use_write_ahead_log
from genremodel.errors import AudioError, GenreModelError

_ROWS = 1024  # that are read at once
_DELETE_ORPHANED_EMBEDDINGS = (
    "DELETE FROM embeddings WHERE (digest, version) NOT IN (SELECT digest, version FROM analyses)"
)


class CacheError(GenreModelError):
    """The cache cannot be read or written."""


@dataclass(frozen=True)
class FileState:
    """A file at a point in time. mtime: nanoseconds."""

    path: bytes
    size: int
    mtime: int

    @classmethod
    def from_path(cls, path: PathLike) -> FileState:
        """Return the current state of a file. Raises OSError."""
        absolute = os.path.abspath(os.fsencode(path))  # noqa: PTH100  # bytes
        stat = os.stat(absolute)  # noqa: PTH116
        return cls(absolute, stat.st_size, stat.st_mtime_ns)

    @property
    def row(self) -> tuple[bytes, int, int]:
        """The columns of the table of files."""
        return self.path, self.size, self.mtime


@dataclass(frozen=True)
class CacheStatistics:
    """The content of a cache, and how many lookups were hits. size: bytes."""

    analyses: int
    failures: int
    files: int
    size: int
    hits: int
    misses: int


class Cache:
    """Analyses of one version in an SQLite file.

    The cache fails soft: after an error it finds nothing and stores nothing, and `error` has the
    reason. Only `statistics`, `prune` and `clear` raise CacheError. Several processes and threads
    may use it at the same time. If the file or its folder is read-only, nothing is stored.

    path: None for a cache that is always empty. window_count, is_enough: which windows of analyses
    are returned, see `Analysis.wanted`; those that are stored may have more.
    """

    def __init__(
        self,
        path: Path | None,
        version: str = "",
        window_count: int = 1,
        is_enough: Callable[[Analysis], bool] | None = None,
    ) -> None:
        self.path = path
        self.error: str | None = None
        self.version = version
        self._key = (version, place_count(window_count))
        self._window_count = window_count
        self._is_enough = is_enough
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._hits = self._misses = 0  # not stored yet
        self._read_only = path is not None and (
            path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        )

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def is_usable(self) -> bool:
        """Whether the cache has a file, and no error has occurred."""
        return self.path is not None and self.error is None

    def get_file(self, file: FileState) -> Analysis | AudioError | None:
        """Return the analysis or failure of an unchanged file, or None."""
        found = self._find(
            "SELECT content, failure, timeout FROM files JOIN analyses USING (digest) "
            "WHERE path = ? AND size = ? AND mtime = ? AND version = ? AND places = ?",
            (*file.row, *self._key),
        )
        found = self._selected(found)
        self._hits += found is not None
        return found

    def get_digest(self, digest: bytes) -> Analysis | AudioError | None:
        """Return the analysis or failure of the audio with a digest, or None."""
        found = self._selected(self._find_digest(digest))
        self._hits += found is not None
        self._misses += found is None
        return found

    def get_part(self, digest: bytes) -> Analysis | None:
        """Return the analysis of the audio with a digest, even if it has too few windows."""
        found = self._find_digest(digest)
        return found if isinstance(found, Analysis) else None

    def digest_of(self, path: PathLike) -> bytes | None:
        """Return the audio digest of an unchanged file, or None."""
        with suppress(OSError):
            rows = self._query(
                "SELECT digest FROM files WHERE path = ? AND size = ? AND mtime = ?",
                FileState.from_path(path).row,
            )
            return rows[0][0] if rows else None
        return None

    def link_file(self, digest: bytes, file: FileState) -> None:
        """Store the audio digest of a file."""
        self._store(("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (*file.row, digest)))

    def put(self, digest: bytes, result: Analysis | AudioError) -> None:
        """Store the analysis or failure of the audio with a digest, and the embedding, if any."""
        self._store(*put_statements((digest, *self._key), result))

    def record_failure(self, path: PathLike, error: AudioError) -> None:
        """Store the failure of a file, unless the file cannot be read."""
        if not self.is_usable:
            return
        with suppress(OSError):
            file = FileState.from_path(path)
            digest = self.digest_of(path) or audio_digest(path)
            self.link_file(digest, file)
            self.put(digest, error)

    def relink_moved(self, source: FileState, file: FileState, digest: Callable[[], bytes]) -> None:
        """Store the new path of a file that was moved or copied, if it is known.

        source: the file before. digest: computes its audio digest, if the source was changed.
        """
        for known, *state in self._query(
            "SELECT digest, size, mtime FROM files WHERE path = ?", (source.path,)
        ):
            is_unchanged = state == [source.size, source.mtime]
            self.link_file(known if is_unchanged else digest(), file)

    @contextmanager
    def preserve_digest(self, path: PathLike) -> Iterator[None]:
        """Keep the stored digest of a file valid when its tags are written in this context."""
        digest = self.digest_of(path)
        yield
        if digest:
            with suppress(OSError):
                self.link_file(digest, FileState.from_path(path))

    def embeddings(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Yield the path, audio digest and embedding of each audible file, see `similarity`."""
        if not self.is_usable:
            return
        try:
            with self._lock:
                cursor = self._connected().execute(
                    "SELECT path, digest, embedding FROM files JOIN embeddings USING (digest) "
                    "WHERE version = ? AND places = ?",
                    self._key,
                )
            while rows := self._fetch(cursor):
                yield from rows
        except (sqlite3.Error, OSError) as exc:
            self._disable(str(self._error(exc)))

    def statistics(self) -> CacheStatistics:
        """Return the statistics of all versions. Raises CacheError."""
        (row,) = self._execute(
            "SELECT (SELECT COUNT(*) FROM analyses WHERE failure IS NULL), "
            "(SELECT COUNT(*) FROM analyses WHERE failure IS NOT NULL), "
            "(SELECT COUNT(*) FROM files), "
            "(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size), "
            "hits, misses FROM statistics"
        )
        return CacheStatistics(*row)

    def prune(self) -> int:
        """Remove entries of deleted files, and of other versions; return how many analyses.

        A cache without a version keeps those of all versions. Raises CacheError.
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
            (_DELETE_ORPHANED_EMBEDDINGS, ()),
        )
        self._execute("VACUUM")
        after = self.statistics()
        return before.analyses + before.failures - after.analyses - after.failures

    def clear(self) -> None:
        """Remove all entries. Raises CacheError."""
        self._write(
            ("DELETE FROM files", ()),
            ("DELETE FROM analyses", ()),
            (_DELETE_ORPHANED_EMBEDDINGS, ()),
            ("UPDATE statistics SET hits = 0, misses = 0", ()),
        )
        self._execute("VACUUM")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Keep all changes that are made in this context, or none. Raises CacheError."""
        try:
            with self._lock, self._connected() as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except (sqlite3.Error, OSError) as exc:
            raise self._error(exc) from exc

    def close(self) -> None:
        """Store the statistics and close the file."""
        if self._connection and (self._hits or self._misses):
            self._store()
        with self._lock:
            self._close()

    def _find(self, sql: str, values: tuple[object, ...]) -> Analysis | AudioError | None:
        for row in self._query(sql, values):
            try:
                return parse_result(*row)
            except (TypeError, ValueError) as exc:
                self._disable(f"{self.path}: {exc}")
        return None

    def _find_digest(self, digest: bytes) -> Analysis | AudioError | None:
        return self._find(
            "SELECT content, failure, timeout FROM analyses "
            "WHERE digest = ? AND version = ? AND places = ?",
            (digest, *self._key),
        )

    def _selected(self, found: Analysis | AudioError | None) -> Analysis | AudioError | None:
        """Return the wanted windows of an analysis, or None if it does not have them."""
        if not isinstance(found, Analysis):
            return found
        return found.wanted(self._window_count, self._is_enough)

    def _query(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        """Return the rows of a query. After an error: none."""
        if self.is_usable:
            try:
                return self._execute(sql, values)
            except CacheError as exc:
                self._disable(str(exc))
        return []

    def _store(self, *statements: Statement) -> None:
        """Write entries that can be computed again, unless the file is read-only. Fails soft."""
        if not self.is_usable or self._read_only:
            return
        hits, misses = self._hits, self._misses
        counts = "UPDATE statistics SET hits = hits + ?, misses = misses + ?"
        try:
            self._write(*statements, (counts, (hits, misses)))
        except CacheError as exc:
            self._disable(str(exc))
        self._hits -= hits
        self._misses -= misses

    def _disable(self, error: str) -> None:
        self.error = error
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _execute(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._connected().execute(sql, values).fetchall()
        except (sqlite3.Error, OSError) as exc:
            raise self._error(exc) from exc

    def _fetch(self, cursor: sqlite3.Cursor) -> list[Any]:
        with self._lock:
            return cursor.fetchmany(_ROWS)

    def _write(self, *statements: Statement) -> None:
        with self.transaction() as connection:
            for sql, values in statements:
                connection.execute(sql, values)

    def _error(self, error: Exception) -> CacheError:
        """Return the error to raise. SQLite does not report that the folder is the cause."""
        folder = self._file.parent
        if not folder.is_dir():
            return CacheError(f"{folder}: no such folder")
        if not os.access(folder, os.W_OK):
            return CacheError(f"{folder}: the folder cannot be written")
        return CacheError(f"{self.path}: {error}")

    @property
    def _file(self) -> Path:
        if self.path is None:
            raise CacheError("the cache has no file")
        return self.path

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = self._opened()
            try:
                connection.execute("PRAGMA synchronous = NORMAL")
                if not is_current(connection):
                    require_older_cache(connection)
                    use_write_ahead_log(connection)
                    with connection:
                        connection.execute("BEGIN IMMEDIATE")
                        if not is_current(connection):  # no other process has created it
                            create(connection)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        if self._read_only:
            return open_read_only(self._file)
        return sqlite3.connect(self._file, timeout=60, check_same_thread=False)
