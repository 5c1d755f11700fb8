"""A redo log of changes to files, so that each is applied completely.

A change is recorded in the journal before it is applied. If the process is killed or the power
fails, the next `beet` command applies it again. A copy that is to replace a file is recorded as
well, and removed if it was left behind.

While there may be records, a marker file is next to the journal; commands only check for that file.
All of this needs the lock, see `Journal.lock`.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from beets.util import displayable_path

from beetsplug.genreclf.storage.errors import JournalError
from beetsplug.genreclf.storage.inplace.file_state import (
    FileState,
    NotWritten,
    check_unchanged,
    open_regular,
    sync,
    sync_folder,
)
from beetsplug.genreclf.storage.inplace.overlay import Change, Overlay
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.journal_database import IN_MEMORY

_CHANGE = struct.Struct("<QII")  # offset, length of the old bytes, length of the new


class RedoRecord(NamedTuple):
    """A change of a file. inode: identifies the file, because device numbers change."""

    path: bytes
    inode: int
    old_size: int
    new_size: int
    changes: tuple[Change, ...]


class RedoLog:
    """The redo log of a journal. Raises JournalError when it cannot be read or written."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._marker = journal.path.with_suffix(".unfinished")
        self._marked = False

    @property
    def is_durable(self) -> bool:
        """Whether records outlive the process."""
        return self._journal.path != IN_MEMORY

    @property
    def has_marker(self) -> bool:
        """Whether there may be records. This only checks for the marker file."""
        return self.is_durable and self._marker.exists()

    @property
    def has_records(self) -> bool:
        """Whether there are records, of this command or another."""
        left = "SELECT id FROM redo_log UNION ALL SELECT id FROM copies LIMIT 1"
        return bool(self._journal.read(left))

    def check_finished(self, path: Path) -> None:
        """Raise NotWritten if an earlier change of a file is not finished."""
        if self._journal.read("SELECT 1 FROM redo_log WHERE path = ?", (os.fsencode(path),)):
            raise NotWritten(
                "an interrupted change of it must be finished first, by the next beet command"
            )

    def apply(self, file: io.FileIO, path: Path, seen: FileState, overlay: Overlay) -> None:
        """Record and apply the changes of an overlay to its file.

        Raises JournalError, FileChanged or OSError, and then the file is unchanged.
        """
        changes = tuple(overlay.changes())
        if not changes and overlay.size == overlay.old_size:
            return
        record = RedoRecord(os.fsencode(path), seen.inode, overlay.old_size, overlay.size, changes)
        id_ = self._add(record)
        try:
            check_unchanged(file.fileno(), seen)
        except BaseException:
            self._forget("redo_log", id_)
            raise
        try:
            _apply(file, record)
        except BaseException:
            if _roll_back(file, record):
                self._forget("redo_log", id_)
            raise
        self._forget("redo_log", id_)

    def record_copy(self, path: Path) -> int:
        """Record that a copy is about to be created, and return its id."""
        self._mark()
        return self._journal.write(("INSERT INTO copies (path) VALUES (?)", [(os.fsencode(path),)]))

    def set_copy_inode(self, id_: int, inode: int) -> None:
        """Record the inode of a copy."""
        self._journal.write(("UPDATE copies SET inode = ? WHERE id = ?", [(str(inode), id_)]))

    def forget_copy(self, id_: int) -> None:
        """Forget a copy that no longer exists."""
        self._forget("copies", id_)

    def recover(self) -> list[str]:
        """Finish interrupted changes; return messages of failures, path first.

        Changes that cannot be finished yet stay recorded.
        """
        messages = [*self._finish_changes(), *self._remove_copies()]
        self.clear_marker()
        return messages

    def clear_marker_if_free(self) -> None:
        """Remove the marker, unless another command holds the lock and will do so.

        Raises JournalError or OSError.
        """
        with self._journal.lock_if_free() as held:
            if held:
                self.clear_marker()

    def clear_marker(self) -> None:
        """Remove the marker if there are no records. Raises OSError."""
        if self.is_durable and not self.has_records:
            self._marker.unlink(missing_ok=True)

    def _finish_changes(self) -> Iterator[str]:
        rows = self._journal.read(
            "SELECT id, path, inode, old_size, new_size, changes, checksum FROM redo_log "
            "ORDER BY id"
        )
        for id_, path, inode, old_size, new_size, packed, checksum in rows:
            name = displayable_path(path)
            given_up = "an interrupted change of its tags was given up: "
            try:
                _replay(_unpack(path, inode, old_size, new_size, packed, checksum))
            except _GivenUp as exc:
                yield f"{name}: {given_up}{exc}"
            except OSError as exc:
                later = "an interrupted change of its tags cannot be finished yet"
                yield f"{name}: {later}: {exc.strerror or exc}"
                continue
            self._forget("redo_log", id_)

    def _remove_copies(self) -> Iterator[str]:
        for id_, path, inode in self._journal.read("SELECT id, path, inode FROM copies"):
            try:
                remove_copy(Path(os.fsdecode(path)), inode)
            except OSError as exc:
                later = "a copy that was left behind cannot be removed yet"
                yield f"{displayable_path(path)}: {later}: {exc.strerror or exc}"
                continue
            self._forget("copies", id_)

    def _add(self, record: RedoRecord) -> int:
        self._mark()
        values = (
            record.path,
            str(record.inode),
            record.old_size,
            record.new_size,
            _pack(record.changes),
        )
        return self._journal.write(
            (
                "INSERT INTO redo_log (path, inode, old_size, new_size, changes, checksum) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [(*values, _checksum(*values))],
            )
        )

    def _forget(self, table: str, id_: int) -> None:
        """Remove a record. If that fails or is lost, recovery applies the change again."""
        with suppress(JournalError):
            self._journal.write_unsynced(f"DELETE FROM {table} WHERE id = ?", (id_,))

    def _mark(self) -> None:
        """Ensure that the marker is on the disk. Another command may have removed it."""
        if not self.is_durable or (self._marked and self._marker.exists()):
            return
        try:
            if not self._marker.exists():
                self._marker.touch()
        except OSError as exc:
            raise JournalError(f"{self._marker}: {exc.strerror}") from exc
        sync_folder(self._marker.parent)
        self._marked = True


class _GivenUp(Exception):
    """Raised if a change can never be finished; the message says why."""


def remove_copy(path: Path, inode: int | str | None) -> None:
    """Remove a copy that this plugin created, and nothing else. Raises OSError.

    inode: of the copy, or None if the process was killed before it was recorded; then only an
    empty file is removed.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        if path.parent.exists():
            return
        raise  # the disk is not mounted
    mine = found.st_size == 0 if inode is None else str(found.st_ino) == str(inode)
    if stat.S_ISREG(found.st_mode) and mine:
        path.unlink()


def _replay(record: RedoRecord) -> None:
    """Apply a recorded change, which may have been applied already, or in part.

    Raises _GivenUp, or OSError if it may be possible later.
    """
    try:
        file = open_regular(os.fsdecode(record.path))
    except FileNotFoundError:
        if Path(os.fsdecode(record.path)).parent.exists():
            raise _GivenUp("the file is gone") from None
        raise  # the disk is not mounted
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.EINVAL, errno.EISDIR):
            raise _GivenUp("it is no longer a file") from exc
        raise
    with file:
        found = os.fstat(file.fileno())
        sizes = sorted((record.old_size, record.new_size))  # it may have grown in part
        if found.st_ino != record.inode or not sizes[0] <= found.st_size <= sizes[1]:
            raise _GivenUp("the file has been replaced since")
        for change in record.changes:
            file.seek(change.offset)
            current = file.read(len(change.old)) or b""
            if current not in (change.old, change.new) and not _is_between(current, change):
                raise _GivenUp("the file has been changed since")
        _apply(file, record)


def _is_between(current: bytes, change: Change) -> bool:
    """Return whether each byte is the old or the new one of a partly applied change."""
    return len(current) == len(change.old) and all(
        byte in both for byte, *both in zip(current, change.old, change.new, strict=True)
    )


def _apply(file: io.FileIO, record: RedoRecord) -> None:
    """Apply a change, first at the end of the file, because only that can fill the disk."""
    for change in sorted(record.changes, key=lambda change: bool(change.old)):
        _write(file, change.offset, change.new)
    file.truncate(record.new_size)
    sync(file.fileno())


def _roll_back(file: io.FileIO, record: RedoRecord) -> bool:
    """Undo a partly applied change; return whether the file is as before."""
    try:
        if os.fstat(file.fileno()).st_size < record.old_size:
            return False  # the removed end is not known
        for change in record.changes:
            _write(file, change.offset, change.old)
        file.truncate(record.old_size)
        sync(file.fileno())
    except OSError:
        return False
    return True


def _write(file: io.FileIO, offset: int, content: bytes) -> None:
    file.seek(offset)
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _pack(changes: Iterable[Change]) -> bytes:
    return b"".join(
        _CHANGE.pack(change.offset, len(change.old), len(change.new)) + change.old + change.new
        for change in changes
    )


def _unpack(
    path: bytes, inode: str, old_size: int, new_size: int, packed: bytes, checksum: int
) -> RedoRecord:
    """Return a record as it was written. Raises _GivenUp if it is damaged."""
    whole = isinstance(packed, bytes) and checksum == _checksum(
        path, inode, old_size, new_size, packed
    )
    if not whole:
        raise _GivenUp("its record in the journal is damaged")
    changes, at = list[Change](), 0
    while at < len(packed):
        offset, old, new = _CHANGE.unpack_from(packed, at)
        at += _CHANGE.size
        changes.append(Change(offset, packed[at : at + old], packed[at + old : at + old + new]))
        at += old + new
    return RedoRecord(path, int(inode), old_size, new_size, tuple(changes))


def _checksum(path: bytes, inode: str, old_size: int, new_size: int, packed: bytes) -> int:
    return zlib.crc32(packed, zlib.crc32(repr((path, inode, old_size, new_size)).encode()))
