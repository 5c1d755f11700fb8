"""What the plugin changed, written down before it is changed, so that it can be taken back.

An SQLite file beside the library. Tracks and albums are known there by `genre_journal_id` and
`album_genre_journal_id`, which survive renaming, moving, and importing again.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from beetsplug.genreclf.storage import errors as troubles
from beetsplug.genreclf.storage import rows
from beetsplug.genreclf.storage.lock import locked, locked_if_free
from beetsplug.genreclf.storage.paths import library_file
from beetsplug.genreclf.storage.values import Values, same

Place: TypeAlias = Literal["database", "file"]

_VERSION = 1  # of the tables; older journals are upgraded, newer ones refused
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
"""
_CHANGES = "SELECT id, run, place, old, new FROM changes"
_INSERT_PENDING = "INSERT OR IGNORE INTO unwritten VALUES (?)"
_RECORDING = (
    "INSERT INTO recordings VALUES (?, ?, ?) ON CONFLICT (journal_id) DO UPDATE "
    "SET path = excluded.path, digest = COALESCE(excluded.digest, digest)"
)
# In an old journal, the last known path of a track is that of its newest change.
_UPGRADE = """
INSERT OR IGNORE INTO recordings
    SELECT journal_id, path, NULL FROM (
        SELECT journal_id, path, MAX(id) FROM changes
        WHERE journal_id IS NOT NULL AND path IS NOT NULL GROUP BY journal_id
    )
"""
IN_MEMORY = Path(":memory:")  # SQLite's name of a database that is no file
COMPACTED = 0  # the run of changes that can no longer be undone
T = TypeVar("T")


class JournalError(Exception):
    """The journal cannot be read or written; the message says how to go on."""


@dataclass(frozen=True)
class Change:
    """One change of a track or an album, in the library's database or in a file.

    old and new: the values of what changed; a value is not there where the field or tag was not.
    """

    id: int
    run: int
    place: Place
    old: Values
    new: Values

    @property
    def names(self) -> set[str]:
        """The names of the fields or tags that it changed."""
        return {*self.old, *self.new}


@dataclass(frozen=True)
class Run:
    """One command or import. started: seconds since the epoch. undone: none of it is left."""

    id: int
    started: float
    command: str
    objects: int
    undone: bool


class Journal:
    """The journal of one library. Raises JournalError when it cannot be read or written.

    The file is created with the first change.
    """

    def __init__(self, path: Path, report: Callable[[str], None] = lambda message: None) -> None:
        self._path = path
        self._report = report
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()  # the stages of an import are threads
        self._reported = False
        self._damaged = set[str]()  # histories of which changes have been left out

    @classmethod
    def for_library(
        cls,
        library: str | bytes | os.PathLike[str],
        report: Callable[[str], None] = lambda message: None,
    ) -> Journal:
        """Return the journal of a library; that of one in memory is there as well."""
        path = Path(os.fsdecode(library))  # bytes before beets 2.14
        path = path if path == IN_MEMORY else library_file(library, ".genre-journal.db")
        return cls(path, report)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let no other command, or thread, change a track or an album meanwhile. Not to be nested.

        Commands take turns, and one that waits reports it after a while. Raises JournalError.
        """
        others = self._path != IN_MEMORY  # that may have it
        turn = locked(self._path, self._report) if others else nullcontext()
        with self._entered(turn):
            yield

    @contextmanager
    def _entered(self, turn: AbstractContextManager[T]) -> Iterator[T]:
        """Enter a lock. Raises JournalError where that fails, but for nothing that comes later."""
        with ExitStack() as stack:
            try:
                held = stack.enter_context(turn)
            except (sqlite3.Error, OSError) as exc:
                raise JournalError(troubles.explain(self._path.with_suffix(".lock"), exc)) from exc
            yield held

    @contextmanager
    def lock_if_free(self) -> Iterator[bool]:
        """Do the same as `alone`, but never wait; yield whether the lock is held.

        Raises JournalError.
        """
        turn = locked_if_free(self._path) if self._path != IN_MEMORY else nullcontext(True)
        with self._entered(turn) as held:
            yield held

    def begin(self, command: str) -> int:
        """Start a run and return its id."""
        sql = "INSERT INTO runs (started, command) VALUES (?, ?)"
        return self.write((sql, [(time.time(), command)]))

    def record(
        self,
        run: int,
        journal_id: str,
        place: Place,
        path: str,
        old: Values,
        new: Values,
        *,
        digest: bytes | None = None,
        write_pending: bool = False,
    ) -> None:
        """Write down what is about to change.

        path, digest: of the file or, if it is known, of its audio; see `lost`. write_pending: as
        `mark_write_pending`, at once.
        """
        sql = (
            "INSERT INTO changes (run, time, journal_id, place, path, old, new) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        readable = _readable(path)
        row = (run, time.time(), journal_id, place, readable, json.dumps(old), json.dumps(new))
        self.write(
            (sql, [row]),
            (_RECORDING, [(journal_id, readable, digest)]),
            (_INSERT_PENDING, [(journal_id,)] if write_pending else []),
        )

    def changes(self, journal_id: str) -> list[Change]:
        """Return the changes of a track or an album that were not undone, newest first."""
        found = self.read(
            f"{_CHANGES} WHERE journal_id = ? AND undone IS NULL ORDER BY id DESC",
            (journal_id,),
        )
        changes = self._valid([_change(*row) for row in found])
        if len(changes) < len(found):
            self._damaged.add(journal_id)
        return changes

    def is_damaged(self, journal_id: str) -> bool:
        """Return whether `changes` has left out damaged rows of a track or an album."""
        return journal_id in self._damaged

    def objects_of_run(self, run: int) -> set[str]:
        """Return what a run changed, by journal id, and was not undone."""
        sql = "SELECT DISTINCT journal_id FROM changes WHERE run = ? AND undone IS NULL"
        return {
            journal_id for (journal_id,) in self.read(sql, (run,)) if isinstance(journal_id, str)
        }

    def lost(self, path: str, digest: bytes | None) -> list[str]:
        """Return the possible histories of a file that was removed from the library.

        Histories of the same path come first, then those of the same audio; newest first.
        """
        return [
            journal_id
            for (journal_id,) in self.read(
                "SELECT journal_id FROM recordings JOIN changes USING (journal_id) "
                "WHERE undone IS NULL AND (recordings.path = ? OR digest = ?) "
                "GROUP BY journal_id ORDER BY recordings.path = ? DESC, MAX(id) DESC",
                (_readable(path), digest, _readable(path)),
            )
        ]

    def runs(self) -> list[Run]:
        """Return the runs that changed something, oldest first."""
        found = self.read(
            "SELECT runs.id, started, command, COUNT(DISTINCT journal_id), "
            "COUNT(undone) = COUNT(*) "
            "FROM runs JOIN changes ON run = runs.id GROUP BY runs.id ORDER BY runs.id"
        )
        return self._valid([_run(*row) for row in found])

    def mark_write_pending(self, journal_id: str) -> None:
        """Record that the file of a track is about to be written."""
        self.write((_INSERT_PENDING, [(journal_id,)]))

    def clear_write_pending(self, journal_id: str) -> None:
        """Forget that the file of a track is to be written."""
        self.write(("DELETE FROM unwritten WHERE journal_id = ?", [(journal_id,)]))

    def is_write_pending(self, journal_id: str) -> bool:
        """Tell whether the file of a track was to be written and could not be."""
        return bool(self.read("SELECT 1 FROM unwritten WHERE journal_id = ?", (journal_id,)))

    def mark_placement_pending(self, files: Iterable[tuple[bytes, float]]) -> None:
        """Record that an import is going to copy or move files into the library.

        files: where they lie now, and when each was added to the library.
        """
        self.write(("INSERT OR REPLACE INTO unplaced VALUES (?, ?)", files))

    def clear_placement_pending(self, paths: Iterable[bytes]) -> None:
        """Forget that an import is to copy or move files."""
        self.write(("DELETE FROM unplaced WHERE path = ?", ((path,) for path in paths)))

    def is_placement_pending(self, path: bytes, added: float) -> bool:
        """Return whether an import has yet to copy or move a file, or was interrupted before."""
        sql = "SELECT 1 FROM unplaced WHERE path = ? AND added = ?"
        return bool(self.read(sql, (path, added)))

    def mark_undone(self, changes: Sequence[Change]) -> None:
        """Forget changes that have been taken back, and what was to be written of them."""
        now = time.time()
        self.write(
            (
                "UPDATE changes SET undone = ? WHERE id = ?",
                [(now, change.id) for change in changes],
            ),
            (
                "DELETE FROM unwritten "
                "WHERE journal_id = (SELECT journal_id FROM changes WHERE id = ?) "
                "AND NOT EXISTS (SELECT 1 FROM changes "
                "WHERE changes.journal_id = unwritten.journal_id AND undone IS NULL)",
                [(change.id,) for change in changes],
            ),
        )

    def close(self) -> None:
        """Let go of the file."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def write(self, *statements: tuple[str, Iterable[tuple[Any, ...]]]) -> int:
        """Run each statement for each of its rows, all or none; return the id of the last row."""
        try:
            with self._lock, self._connected() as connection:
                cursor = connection.cursor()
                for sql, rows in statements:
                    for row in rows:
                        cursor.execute(sql, row)
                return cursor.lastrowid or 0
        except (sqlite3.Error, OSError) as exc:
            raise JournalError(troubles.explain(self._path, exc)) from exc

    def write_unsynced(self, sql: str, row: tuple[Any, ...]) -> None:
        """Run a statement without waiting for the disk.

        A power failure before the next change may undo it.
        """
        try:
            with self._lock:
                connection = self._connected()
                connection.execute("PRAGMA synchronous = NORMAL")
                try:
                    with connection:
                        connection.execute(sql, row)
                finally:
                    connection.execute("PRAGMA synchronous = FULL")
        except (sqlite3.Error, OSError) as exc:
            raise JournalError(troubles.explain(self._path, exc)) from exc

    def read(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """Return the rows of a query; none where there is no journal yet."""
        if not self._connection and not self._path.exists():
            return []
        try:
            with self._lock:
                return self._connected().execute(sql, values).fetchall()
        except (sqlite3.Error, OSError) as exc:
            raise JournalError(troubles.explain(self._path, exc)) from exc

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
        """Make or upgrade the tables. Raises JournalError where a newer program made them."""
        version = _version(connection)
        if not 0 <= version <= _VERSION:
            raise JournalError(
                f"{self._path}: written by a newer version of this plugin (format {version}, "
                f"supported up to {_VERSION}); nothing is changed without it: update the plugin"
            )
        # A change is on the disk before it is made, at one fsync each.
        connection.execute("PRAGMA synchronous = FULL")
        if version < _VERSION:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA}; {_UPGRADE}; PRAGMA user_version = {_VERSION}; COMMIT"
            )
            if not _is_writable(self._path):  # what was upgraded is a copy in memory
                connection.execute("PRAGMA query_only = 1")

    def _valid(self, found: Sequence[T | None]) -> list[T]:
        """Return the valid values, and report once how many rows of the journal are damaged."""
        valid = [value for value in found if value is not None]
        if len(valid) < len(found) and not self._reported:
            self._reported = True
            damaged = [
                *(_change(*row) for row in self.read(_CHANGES)),
                *(_run(*row) for row in self.read("SELECT id, started, command FROM runs")),
            ].count(None)
            self._report(
                f"{self._path}: damaged rows ignored: {damaged}; their changes cannot be undone"
            )
        return valid


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file, only for reading where it or its folder cannot be written.

    A file of an earlier version that is only read is copied into memory, to be upgraded there.
    """
    if _is_writable(path):
        return sqlite3.connect(path, timeout=60, check_same_thread=False)
    from genremodel.batch.read_only import open_read_only  # slow to import, and seldom needed

    connection = open_read_only(path)
    if _version(connection) >= _VERSION:
        return connection
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    with closing(connection):
        connection.backup(copy)
    return copy


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _is_writable(path: Path) -> bool:
    """Return whether a file that may not be there yet can be written, and those beside it."""
    if path == IN_MEMORY or not path.exists():
        return True
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _change(id_: Any, run: Any, place: Any, old: Any, new: Any) -> Change | None:
    """Return a change, or None where its row is damaged."""
    before, after = rows.change_values(place, old), rows.change_values(place, new)
    if before is None or after is None or not isinstance(run, int):
        return None
    return Change(id_, run, place, before, after)


def _run(id_: Any, started: Any, command: Any, objects: int = 0, undone: int = 0) -> Run | None:
    """Return a run, or None where its row is damaged."""
    if not rows.is_time(started) or not isinstance(command, str):
        return None
    return Run(id_, started, command, objects, undone=bool(undone))


def _readable(path: str) -> str:
    return os.fsencode(path).decode(errors="replace")


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def revert(current: Mapping[str, Any], changes: Iterable[Change]) -> tuple[Values, set[str]]:
    """Take changes back. Returns the values from before them, and the names that are in the way.

    current: the values that are there. changes: newest first. A value that is not what a change
    left has been changed by somebody else since: it stays, and so does what is older. It is not in
    the way if it is the value from before all changes. A change of which nothing is to be seen, and
    all is as it was found, was never made.
    """
    values, conflicts = dict(current), set[str]()
    first: Values = {}
    for change in changes:
        first |= {name: change.old.get(name) for name in change.names}
        names = change.names - conflicts
        left = {name for name in names if same(values.get(name), change.new.get(name))}
        for name in left:
            if name in change.old:
                values[name] = change.old[name]
            else:
                values.pop(name, None)
        others = names - left
        if left or not all(same(values.get(name), change.old.get(name)) for name in others):
            conflicts |= others
    return values, {name for name in conflicts if not same(values.get(name), first[name])}
