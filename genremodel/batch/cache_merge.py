"""Merge the analyses in another cache file, which is untrusted, into a cache."""

from __future__ import annotations

import math
import os
import sqlite3
import stat
import sys
from array import array
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from genremodel.analysis import OUTPUT_SIZE, TAGS, Analysis, NetworkOutputs
from genremodel.audio.digest import DIGEST_SIZE
from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.batch.cache import Cache, CacheError
from genremodel.batch.cache_format import (
    is_current,
    is_intact,
    parse_result,
    put_statements,
    require_cache,
)
from genremodel.display import displayable, one_line
from genremodel.errors import AnalysisTimeout, AudioError

# Bytes of a row, so that memory is bounded. Ten windows have 7 KB.
_LARGEST = 1 << 22

Row: TypeAlias = tuple[Any, ...]
"""Digest, places, content, failure, timeout."""


@dataclass(frozen=True)
class MergeCounts:
    """The entries of a merged file.

    added: new, or better than the entry of the cache. known: not better. skipped: of other analysis
    versions.
    """

    added: int
    known: int
    skipped: int


def merge(cache: Cache, file: Path) -> MergeCounts:
    """Add the analyses and failures in a cache file by the analysis version of a cache.

    Analyses replace failures, and more windows replace fewer; otherwise the entry of the cache
    stays. Paths of files are not read. Raises CacheError; the cache is then unchanged.
    """
    with suppress(OSError):  # `Source` has the reason, or there is no cache yet
        if cache.path and cache.path.samefile(file):
            raise CacheError(f"{displayable(file)}: this is the cache itself")
    added = 0
    with Source(file) as source:
        checked = _check(source, cache.version)  # first: others wait for the transaction
        others = source.count_others(cache.version)
        with cache.transaction() as own:
            for row, expected in zip_longest(source.rows(cache.version), checked):
                if row is None or hash(row) != expected:
                    raise source.changed()
                added += _put_if_better(own, cache.version, row)
            source.require_unchanged()
    return MergeCounts(added, len(checked) - added, others)


def _check(source: Source, version: str) -> array[int]:
    """Return the hashes of the entries of a file. Raises CacheError unless all are valid."""
    hashes, refused = array("q"), 0
    reason = ""  # of the first refusal
    for row in source.rows(version):
        hashes.append(hash(row))
        try:
            validated(row)
        except ValueError as exc:
            refused += 1
            reason = reason or str(exc)
    if refused:
        raise source.error(f"nothing merged: {refused} of {len(hashes)} entries refused ({reason})")
    return hashes


def _put_if_better(connection: sqlite3.Connection, version: str, row: Row) -> bool:
    """Store a valid entry unless that of the cache is as good; return True if it is stored."""
    digest, places, content, failure, timeout = row
    key = (digest, version, places)
    result = parse_result(content, failure and one_line(failure), timeout)
    if _rank(result) <= _own_rank(connection, key):
        return False
    for sql, values in put_statements(key, result):
        connection.execute(sql, values)
    return True


def validated(row: Row) -> tuple[bytes, int, Analysis | AudioError]:
    """Return the digest, the places and the result in a row. Raises ValueError."""
    digest, places, content, failure, timeout = row
    if not isinstance(digest, bytes) or len(digest) != DIGEST_SIZE:
        raise ValueError("not an audio digest")
    if not isinstance(places, int) or places < DEFAULT_WINDOWS:
        raise ValueError("not a number of places")
    if isinstance(content, bytes) and failure is None and timeout is None:
        analysis = Analysis.from_bytes(content)
        _require_valid(analysis, content, places)
        return digest, places, analysis
    if content is not None or not isinstance(failure, str):
        raise ValueError("neither an analysis nor a failure")
    if timeout is None:
        return digest, places, AudioError(one_line(failure))
    if not isinstance(timeout, float) or not 0 < timeout < math.inf:
        raise ValueError("not a time limit")
    return digest, places, AnalysisTimeout(timeout)


def _require_valid(analysis: Analysis, content: bytes, places: int) -> None:
    """Raise ValueError for an analysis that the bundled networks cannot have made."""
    starts, audible = analysis.starts, analysis.audible
    if analysis.to_bytes() != content or len(analysis.places) > places:
        raise ValueError("not an analysis")
    if not len(starts):
        if len(analysis.places):
            raise ValueError("an analysis without windows")
        return
    if analysis.values.shape[1] != OUTPUT_SIZE:
        raise ValueError("an analysis of other networks")
    if not (np.isfinite(starts).all() and starts[0] >= 0 and (np.diff(starts) > 0).all()):
        raise ValueError("windows that are not in order")
    outputs = NetworkOutputs.split(analysis.values)
    by_both = outputs.by_both
    both = np.concatenate([outputs.expert_activations, outputs.expert_embeddings], axis=1)[by_both]
    probabilities = np.concatenate([outputs.activations.ravel(), both[:, :TAGS].ravel()])
    if not (np.isfinite(outputs.embeddings).all() and np.isfinite(both).all()):
        raise ValueError("values that are not finite")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities that are not between 0 and 1")
    if not audible[by_both].all() or by_both.any() != audible.any():
        raise ValueError("an analysis without the second network")
    if not (analysis.places.all() or audible.all()):
        raise ValueError("silent windows in a part of an analysis")


def _rank(result: Analysis | AudioError | None) -> int:
    """Return a number that is larger for better entries."""
    if result is None:
        return 0
    return 2 + len(result.starts) if isinstance(result, Analysis) else 1


def _own_rank(connection: sqlite3.Connection, key: tuple[bytes, str, int]) -> int:
    found = connection.execute(
        "SELECT content, failure, timeout FROM analyses "
        "WHERE digest = ? AND version = ? AND places = ?",
        key,
    ).fetchone()
    try:
        return _rank(found and parse_result(*found))
    except (TypeError, ValueError):  # damaged
        return 0


class Source:
    """A cache file that no program is writing, opened read-only.

    It is opened as immutable, because SQLite would create files beside it otherwise. A file with
    pending changes is refused, and so is one that changes: half of a change could be read.
    Methods raise CacheError.
    """

    def __init__(self, file: Path) -> None:
        self._name = displayable(file)
        self._path = Path(os.path.realpath(file))
        self._state = self._closed_state()
        with self._errors():
            with self._path.open("rb"):  # for a better message than that of SQLite
                pass
            uri = f"{self._path.as_uri()}?mode=ro&immutable=1"
            self._connection = sqlite3.connect(uri, uri=True)

    def __enter__(self) -> Source:
        try:
            self._require_cache()
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def rows(self, version: str) -> Iterator[Row]:
        """Yield the entries of an analysis version."""
        return self._query(
            "SELECT digest, places, content, failure, timeout FROM analyses WHERE version = ?",
            version,
        )

    def count_others(self, version: str) -> int:
        """Return the number of entries of other analysis versions."""
        ((count,),) = self._query("SELECT COUNT(*) FROM analyses WHERE version <> ?", version)
        return int(count)

    def error(self, reason: str) -> CacheError:
        """Return the error to raise if the file cannot be merged."""
        return CacheError(f"{self._name}: {reason}")

    def require_unchanged(self) -> None:
        """Raise CacheError if the file was written since it was opened."""
        if self._closed_state() != self._state:
            raise self.changed()

    def changed(self) -> CacheError:
        """Return the error to raise for a file that changes while it is read."""
        return self.error("another program is writing it; try again later")

    def _require_cache(self) -> None:
        """Raise CacheError for a database of another kind, and a damaged one."""
        if sys.version_info >= (3, 11):
            self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
        with self._errors():
            self._connection.execute("PRAGMA trusted_schema = OFF")
            require_cache(self._connection)
            if not is_current(self._connection):
                raise self.error("written by an older version of this program")
            if not is_intact(self._connection):  # views and computed columns could run forever
                raise self.error("not a cache of analyses")
            ((problem,),) = self._connection.execute("PRAGMA quick_check(1)")
            if problem != "ok":
                raise sqlite3.DatabaseError(f"damaged ({str(problem).splitlines()[-1]})")

    def _closed_state(self) -> tuple[int, ...]:
        """Return the state of the file. Raises CacheError if a program has pending changes."""
        with self._errors():
            status = self._path.stat()
            logs = [Path(f"{self._path}{suffix}") for suffix in ("-wal", "-journal")]
            is_pending = any(log.exists() and log.stat().st_size for log in logs)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe could block
            raise self.error("not a file")
        if is_pending:
            raise self.error(
                "another program is writing it, or has not completed its changes; "
                "run `beet genreclf-cache` where it is used, and try again"
            )
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def _query(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with self._errors(), closing(self._connection.execute(sql, values)) as cursor:
            yield from cursor

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise CacheError in one line, without text of the file, instead of other errors."""
        try:
            yield
        except OSError as exc:
            raise self.error(str(exc.strerror)) from exc
        except UnicodeDecodeError as exc:  # a message of SQLite with text of the file
            raise self.error("damaged") from exc
        except (sqlite3.Error, OverflowError) as exc:
            self.require_unchanged()  # otherwise this is the cause
            # "Could not decode to UTF-8 column 'failure' with text '...'"
            text = one_line(str(exc).partition(" with text ")[0])
            raise self.error(text) from exc
