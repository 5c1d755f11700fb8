"""The journal of changes, which are recorded before they are made, so that they can be undone.

It is an SQLite file next to the library. The fields `genre_journal_id` and `album_genre_journal_id`
are the keys of tracks and albums; they survive renaming, moving and reimporting.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from beetsplug.genreclf.storage import journal_rows
from beetsplug.genreclf.storage.errors import JournalError, describe
from beetsplug.genreclf.storage.journal_database import IN_MEMORY, JournalDatabase
from beetsplug.genreclf.storage.lock import locked, locked_if_free
from beetsplug.genreclf.storage.paths import library_file
from beetsplug.genreclf.storage.value_comparison import Values, same

Place: TypeAlias = Literal["database", "file"]
Author: TypeAlias = Literal["plugin", "user"]

_CHANGES = "SELECT id, run, place, old, new, author FROM changes"
_INSERT_PENDING = "INSERT OR IGNORE INTO unwritten VALUES (?)"
_RECORDING = (
    "INSERT INTO recordings VALUES (?, ?, ?) ON CONFLICT (journal_id) DO UPDATE "
    "SET path = excluded.path, digest = COALESCE(excluded.digest, digest)"
)
AUTHORS: tuple[Author, ...] = get_args(Author)
COMPACTED = 0  # the run of changes that can no longer be undone
T = TypeVar("T")


@dataclass(frozen=True)
class Change:
    """A change of a track or an album, in the database of beets or in a file.

    old, new: the values of the fields or tags that changed; absent ones are left out. author: whose
    decision it is; the user's are made in a review.
    """

    id: int
    run: int
    place: Place
    old: Values
    new: Values
    author: Author = "plugin"

    @property
    def names(self) -> set[str]:
        """The names of the changed fields or tags."""
        return {*self.old, *self.new}

    def only(self, names: Collection[str]) -> Change:
        """Return the part of the change that is about some fields or tags."""
        old, new = (
            {name: value for name, value in values.items() if name in names}
            for values in (self.old, self.new)
        )
        return replace(self, old=old, new=new)


@dataclass(frozen=True)
class Run:
    """A command or import. started: seconds since the epoch. undone: all its changes are."""

    id: int
    started: float
    command: str
    objects: int
    undone: bool


class Journal(JournalDatabase):
    """The journal of a library. Raises JournalError when it cannot be read or written.

    report: takes messages of damaged rows, and of waiting for the lock.
    """

    def __init__(self, path: Path, report: Callable[[str], None] = lambda message: None) -> None:
        super().__init__(path)
        self._report = report
        self._reported = False
        self._damaged = set[str]()  # journal ids with damaged changes

    @classmethod
    def for_library(
        cls,
        library: str | bytes | os.PathLike[str],
        report: Callable[[str], None] = lambda message: None,
    ) -> Journal:
        """Return the journal of a library; in memory if the library is."""
        path = Path(os.fsdecode(library))  # bytes before beets 2.14
        path = path if path == IN_MEMORY else library_file(library, ".genre-journal.db")
        return cls(path, report)

    @contextmanager
    def lock(self, timeout: float = float("inf")) -> Iterator[None]:
        """Hold the lock that changes need, of commands and of the threads of an import.

        The lock is fair: a long run must not starve other commands. Waiting is reported after a
        while. Not reentrant. timeout: seconds to wait. Raises JournalError.
        """
        in_memory = self._path == IN_MEMORY
        lock = nullcontext() if in_memory else locked(self._path, self._report, timeout)
        with self._entered(lock):
            yield

    @contextmanager
    def lock_if_free(self) -> Iterator[bool]:
        """Hold the lock if it is free, without waiting; yield whether it is held.

        Raises JournalError.
        """
        in_memory = self._path == IN_MEMORY
        with self._entered(nullcontext(True) if in_memory else locked_if_free(self._path)) as held:
            yield held

    @contextmanager
    def _entered(self, lock: AbstractContextManager[T]) -> Iterator[T]:
        """Enter a lock. Raises JournalError if that fails, but not for errors under the lock."""
        with ExitStack() as stack:
            try:
                held = stack.enter_context(lock)
            except (sqlite3.Error, OSError) as exc:
                raise JournalError(describe(self._path.with_suffix(".lock"), exc)) from exc
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
        author: Author = "plugin",
        digest: bytes | None = None,
        write_pending: bool = False,
    ) -> None:
        """Record a change before it is made.

        path, digest: of the file and, if known, of its audio; see `lost`. write_pending: mark the
        file as in `mark_write_pending`, in the same transaction.
        """
        sql = (
            "INSERT INTO changes (run, time, journal_id, place, path, old, new, author) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        readable = _readable(path)
        values = json.dumps(old), json.dumps(new)
        row = (run, time.time(), journal_id, place, readable, *values, author)
        self.write(
            (sql, [row]),
            (_RECORDING, [(journal_id, readable, digest)]),
            (_INSERT_PENDING, [(journal_id,)] if write_pending else []),
        )

    def changes(self, journal_id: str) -> list[Change]:
        """Return the changes of a track or an album that are not undone, newest first."""
        found = self.read(
            f"{_CHANGES} WHERE journal_id = ? AND undone IS NULL ORDER BY id DESC",
            (journal_id,),
        )
        changes = self._valid([_change(*row) for row in found])
        if len(changes) < len(found):
            self._damaged.add(journal_id)
        return changes

    def is_damaged(self, journal_id: str) -> bool:
        """Return whether `changes` has ignored damaged rows of a track or an album."""
        return journal_id in self._damaged

    def objects_of_run(self, run: int) -> set[str]:
        """Return the journal ids of the tracks and albums with changes of a run to undo."""
        sql = "SELECT DISTINCT journal_id FROM changes WHERE run = ? AND undone IS NULL"
        return {
            journal_id for (journal_id,) in self.read(sql, (run,)) if isinstance(journal_id, str)
        }

    def lost(self, path: str, digest: bytes | None) -> list[str]:
        """Return the possible journal ids of a reimported file.

        Those of the same path come first, then those of the same audio; newest first.
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
        """Return the runs with changes, oldest first."""
        found = self.read(
            "SELECT runs.id, started, command, COUNT(DISTINCT journal_id), "
            "COUNT(undone) = COUNT(*) "
            "FROM runs JOIN changes ON run = runs.id GROUP BY runs.id ORDER BY runs.id"
        )
        return self._valid([_run(*row) for row in found])

    def mark_write_pending(self, journal_id: str) -> None:
        """Mark the file of a track before it is written: after a crash it is written again."""
        self.write((_INSERT_PENDING, [(journal_id,)]))

    def clear_write_pending(self, journal_id: str) -> None:
        """Remove the mark, because the file has been written."""
        self.write(("DELETE FROM unwritten WHERE journal_id = ?", [(journal_id,)]))

    def is_write_pending(self, journal_id: str) -> bool:
        """Return whether the file of a track was to be written and could not be."""
        return bool(self.read("SELECT 1 FROM unwritten WHERE journal_id = ?", (journal_id,)))

    def mark_placement_pending(self, files: Iterable[tuple[bytes, float]]) -> None:
        """Mark files that an import is going to copy or move into the library.

        files: the current path of each, and when it was added to the library.
        """
        self.write(("INSERT OR REPLACE INTO unplaced VALUES (?, ?)", files))

    def clear_placement_pending(self, paths: Iterable[bytes]) -> None:
        """Remove the marks, because the files are in the library."""
        self.write(("DELETE FROM unplaced WHERE path = ?", ((path,) for path in paths)))

    def is_placement_pending(self, path: bytes, added: float) -> bool:
        """Return whether an import has not yet placed a file, or was interrupted before it did."""
        sql = "SELECT 1 FROM unplaced WHERE path = ? AND added = ?"
        return bool(self.read(sql, (path, added)))

    def mark_undone(self, changes: Sequence[Change], kept: Sequence[Change] = ()) -> None:
        """Mark changes as undone, and their files as not to be written.

        kept: the parts of them that are not undone, with the author and the run that they belong to
        from now on.
        """
        now, kept_ids = time.time(), {change.id for change in kept}
        self.write(
            (
                "UPDATE changes SET undone = ? WHERE id = ?",
                [(now, change.id) for change in changes if change.id not in kept_ids],
            ),
            (
                "UPDATE changes SET run = ?, author = ?, old = ?, new = ? WHERE id = ?",
                [
                    (part.run, part.author, json.dumps(part.old), json.dumps(part.new), part.id)
                    for part in kept
                ],
            ),
            (
                "DELETE FROM unwritten "
                "WHERE journal_id = (SELECT journal_id FROM changes WHERE id = ?) "
                "AND NOT EXISTS (SELECT 1 FROM changes "
                "WHERE changes.journal_id = unwritten.journal_id AND undone IS NULL)",
                [(change.id,) for change in changes],
            ),
        )

    def _valid(self, found: Sequence[T | None]) -> list[T]:
        """Return the valid values; report once how many rows of the journal are damaged."""
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


def _change(id_: Any, run: Any, place: Any, old: Any, new: Any, author: Any) -> Change | None:
    """Return a change, or None where its row is damaged."""
    values = journal_rows.change_values(place, old, new)
    if values is None or not isinstance(run, int) or author not in AUTHORS:
        return None
    return Change(id_, run, place, *values, author)


def _run(id_: Any, started: Any, command: Any, objects: int = 0, undone: int = 0) -> Run | None:
    """Return a run, or None where its row is damaged."""
    if not journal_rows.is_time(started) or not isinstance(command, str):
        return None
    return Run(id_, started, command, objects, undone=bool(undone))


def _readable(path: str) -> str:
    return os.fsencode(path).decode(errors="replace")


def revert(current: Mapping[str, Any], changes: Iterable[Change]) -> tuple[Values, set[str]]:
    """Return the values from before some changes, and the names of conflicts.

    current: the values now. changes: newest first. Values changed since are kept and reported as
    conflicts, unless they are those from before all changes; older changes to them are not
    reverted. A change whose old values are all still in place was never applied (crash) and is
    ignored.
    """
    values, conflicts = dict(current), set[str]()
    oldest: Values = {}
    for change in changes:
        oldest |= {name: change.old.get(name) for name in change.names}
        names = change.names - conflicts
        applied = {name for name in names if same(values.get(name), change.new.get(name))}
        for name in applied:
            if name in change.old:
                values[name] = change.old[name]
            else:
                values.pop(name, None)
        others = names - applied
        if applied or not all(same(values.get(name), change.old.get(name)) for name in others):
            conflicts |= others
    return values, {name for name in conflicts if not same(values.get(name), oldest[name])}
