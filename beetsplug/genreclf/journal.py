"""What the plugin changed, written down before it is changed, so that it can be taken back.

An SQLite file beside the library. Tracks and albums are known there by their field `genre_history`,
which survives renaming, moving, and importing again.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from beetsplug.genreclf.beside import beside
from beetsplug.genreclf.values import Values, same

Place: TypeAlias = Literal["database", "file"]

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
    history TEXT NOT NULL,
    place TEXT NOT NULL,
    path TEXT NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    undone REAL
);
CREATE TABLE IF NOT EXISTS unwritten (
    history TEXT PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS notes (
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
CREATE INDEX IF NOT EXISTS changes_by_history ON changes (history, undone);
CREATE INDEX IF NOT EXISTS changes_by_run ON changes (run);
"""
_EXPECT = "INSERT OR IGNORE INTO unwritten VALUES (?)"
_WAY_ON = (
    "nothing is changed without it: make it writable or, if it is damaged, move it away; what it "
    "tells of cannot be undone then"
)


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

    def __init__(self, path: Path) -> None:
        self.path = self._path = path
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()  # the stages of an import are threads

    @classmethod
    def beside(cls, library: str | bytes | os.PathLike[str]) -> Journal:
        """Return the journal of a library; that of one in memory is there as well."""
        path = Path(os.fsdecode(library))  # bytes before beets 2.14
        return cls(path if path.name == ":memory:" else beside(library, ".genre-journal.db"))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other command, or thread, change a track or an album meanwhile. Not to be nested.

        Who waits is next: a command that takes one track after another would leave others no gap.
        """
        if self._path.name == ":memory:":  # no other command has it
            yield
            return
        with closing(_taken(self._path.with_suffix(".queue"))):
            lock = _taken(self._path.with_suffix(".lock"))
        with closing(lock):
            yield

    def begin(self, command: str) -> int:
        """Start a run and return its id."""
        sql = "INSERT INTO runs (started, command) VALUES (?, ?)"
        return self._write((sql, [(time.time(), command)]))

    def record(
        self,
        run: int,
        history: str,
        place: Place,
        path: str,
        old: Values,
        new: Values,
        *,
        tags_follow: bool = False,
    ) -> None:
        """Write down what is about to change.

        path: for people who read the journal. tags_follow: as `expect_tags`, at once.
        """
        sql = (
            "INSERT INTO changes (run, time, history, place, path, old, new) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        readable = os.fsencode(path).decode(errors="replace")
        row = (run, time.time(), history, place, readable, json.dumps(old), json.dumps(new))
        self._write((sql, [row]), (_EXPECT, [(history,)] if tags_follow else []))

    def changes(self, history: str) -> list[Change]:
        """Return the changes of a track or an album that were not undone, newest first."""
        rows = self._read(
            "SELECT id, run, place, old, new FROM changes "
            "WHERE history = ? AND undone IS NULL ORDER BY id DESC",
            (history,),
        )
        return [
            Change(id_, run, place, json.loads(old), json.loads(new))
            for id_, run, place, old, new in rows
        ]

    def histories(self, run: int) -> set[str]:
        """Return what a run changed, by `genre_history`, and was not undone."""
        sql = "SELECT DISTINCT history FROM changes WHERE run = ? AND undone IS NULL"
        return {history for (history,) in self._read(sql, (run,))}

    def runs(self) -> list[Run]:
        """Return the runs that changed something, oldest first."""
        rows = self._read(
            "SELECT runs.id, started, command, COUNT(DISTINCT history), COUNT(undone) = COUNT(*) "
            "FROM runs JOIN changes ON run = runs.id GROUP BY runs.id ORDER BY runs.id"
        )
        return [
            Run(id_, started, command, objects, undone=bool(undone))
            for id_, started, command, objects, undone in rows
        ]

    def expect_tags(self, history: str) -> None:
        """Write down that the file of a track is about to be written, until `tags_written`."""
        self._write((_EXPECT, [(history,)]))

    def tags_written(self, history: str) -> None:
        """Forget that the file of a track is to be written."""
        self._write(("DELETE FROM unwritten WHERE history = ?", [(history,)]))

    def expects_tags(self, history: str) -> bool:
        """Tell whether the file of a track was to be written and could not be."""
        return bool(self._read("SELECT 1 FROM unwritten WHERE history = ?", (history,)))

    def mark_undone(self, changes: Sequence[Change]) -> None:
        """Forget changes that have been taken back, and what was to be written of them."""
        now = time.time()
        self._write(
            (
                "UPDATE changes SET undone = ? WHERE id = ?",
                [(now, change.id) for change in changes],
            ),
            (
                "DELETE FROM unwritten WHERE history = (SELECT history FROM changes WHERE id = ?) "
                "AND NOT EXISTS (SELECT 1 FROM changes "
                "WHERE changes.history = unwritten.history AND undone IS NULL)",
                [(change.id,) for change in changes],
            ),
        )

    def close(self) -> None:
        """Let go of the file."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _write(self, *statements: tuple[str, Iterable[tuple[Any, ...]]]) -> int:
        """Run each statement for each of its rows, all or none; return the id of the last row."""
        try:
            with self._lock, self._connected() as connection:
                cursor = connection.cursor()
                for sql, rows in statements:
                    for row in rows:
                        cursor.execute(sql, row)
                return cursor.lastrowid or 0
        except (sqlite3.Error, OSError) as exc:
            raise JournalError(f"{self._path}: {exc}; {_WAY_ON}") from exc

    def read(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """Return the rows of a query; none where there is no journal yet."""
        return self._read(sql, values)

    def write(self, *statements: tuple[str, Iterable[tuple[Any, ...]]]) -> int:
        """Run each statement for each of its rows, all or none; return the id of the last row."""
        return self._write(*statements)

    def _read(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        if not self._connection and not self._path.exists():
            return []
        try:
            with self._lock:
                return self._connected().execute(sql, values).fetchall()
        except (sqlite3.Error, OSError) as exc:
            raise JournalError(f"{self._path}: {exc}; {_WAY_ON}") from exc

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self._path, timeout=60, check_same_thread=False)
            try:
                # A change is on the disk before it is made, at one fsync each.
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(_SCHEMA)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def unwind(current: Mapping[str, Any], changes: Iterable[Change]) -> tuple[Values, set[str]]:
    """Take changes back. Returns the values from before them, and the names that are in the way.

    current: the values that are there. changes: newest first. A value that is not what a change
    left has been changed by somebody else since: it stays, and so does what is older. A change of
    which nothing is to be seen, and all is as it was found, was never made.
    """
    values, foreign = dict(current), set[str]()
    for change in changes:
        names = (change.old.keys() | change.new.keys()) - foreign
        left = {name for name in names if same(values.get(name), change.new.get(name))}
        for name in left:
            if name in change.old:
                values[name] = change.old[name]
            else:
                values.pop(name, None)
        others = names - left
        if left or not all(same(values.get(name), change.old.get(name)) for name in others):
            foreign |= others
    return values, foreign


def _taken(path: Path) -> sqlite3.Connection:
    """Wait for SQLite's lock on an empty file; the system takes it back from who is killed.

    A second at a time, or nothing could interrupt it. Raises JournalError.
    """
    while True:
        try:
            lock = sqlite3.connect(path, timeout=1, isolation_level=None)
        except sqlite3.Error as exc:
            raise JournalError(f"{path}: {exc}; {_WAY_ON}") from exc
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except BaseException as exc:
            lock.close()
            if not isinstance(exc, sqlite3.Error):
                raise
            if "locked" not in str(exc):
                raise JournalError(f"{path}: {exc}; {_WAY_ON}") from exc
        else:
            return lock
