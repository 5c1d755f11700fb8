"""Takes back what the plugin changed, in the database and in files."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from logging import Logger

from beets import ui
from beets.exceptions import UserError
from beets.library import Album, Item, Library
from mediafile import UnreadableFileError

from beetsplug.genreclf import fields
from beetsplug.genreclf.storage.compaction import compact
from beetsplug.genreclf.storage.inplace.file_state import NotWritten
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import COMPACTED, Change, Journal, revert
from beetsplug.genreclf.storage.lost_tracks import has_prediction, name_in_journal, relink_lost
from beetsplug.genreclf.storage.selection import AlbumSelection
from beetsplug.genreclf.storage.tag_file import TagFile, reason
from beetsplug.genreclf.storage.tag_writer import TagWriter
from beetsplug.genreclf.storage.values import is_absent
from beetsplug.genreclf.tagging import Failures, Report, is_synced

_ALL = 1_000_000  # days: more than any journal has, and still a time


def show_runs(journal: Journal, log: Logger) -> None:
    """Print the runs, oldest first."""
    runs = journal.runs()
    if not runs:
        log.info("nothing has been changed yet")
    for run in runs:
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))
        state = " (undone)" if run.undone else ""
        ui.print_(f"{run.id}: {started} {run.command}, {run.objects} tracks and albums{state}")


def forget_older_than(journal: Journal, days: int, log: Logger) -> None:
    """Forget changes that are older than some days, and report how many. Raises UserError."""
    if days < 0:
        raise UserError("--forget-older-than must be 0 or more")
    with journal.lock():
        count = compact(journal, time.time() - min(days, _ALL) * 86400)
    log.info("{} changes forgotten; they can no longer be undone", count)


def last_run(lib: Library, journal: Journal) -> int:
    """Return the id of the newest run that can be undone. Raises UserError when there is none."""
    relink_lost(lib, [], journal)
    with lib.transaction() as transaction:
        rows = transaction.query(
            "SELECT value FROM item_attributes WHERE key = ? "
            "UNION SELECT value FROM album_attributes WHERE key = ?",
            (fields.HISTORY, fields.HISTORY),
        )
    present = {
        journal_id for (journal_id,) in rows
    }  # the others have been removed from the library
    for run in reversed(journal.runs()):
        if present & journal.objects_of_run(run.id):
            return run.id
    raise UserError("there is nothing to undo")


def undo(
    lib: Library,
    query: Sequence[str],
    journal: Journal,
    run: int | None,
    writer: TagWriter,
    log: Logger,
) -> bool:
    """Take back one run, or all, on the tracks of a query.

    Returns whether all could be restored. Raises UserError when there is no such run.
    """
    if run is not None and run not in [known.id for known in journal.runs()]:
        raise UserError(f"there is no run {run}; `beet genreclf-undo --list` shows them")
    counts = Counter[str]()
    failures = Failures(log)
    unknown: list[str] = []

    relink_lost(lib, query, journal)
    undoing = Undo(
        journal, run, writer, failures.report, lambda message: log.warning("{}", message)
    )
    for model in _selected(lib, query):
        with journal.lock():
            now = fields.fresh(model)
            failed = failures.count
            restored = now is not None and undoing.restore(now)
        nothing = not restored and failures.count == failed
        if now and run is None and nothing and has_prediction(now):
            unknown.append(name_in_journal(now))
        if restored:
            counts["album" if isinstance(model, Album) else "track"] += 1
    log.info(
        "{} tracks and {} albums restored, {} failed",
        counts["track"], counts["album"], failures.count,
    )  # fmt: skip
    if unknown:
        log.error(
            "{}: no history of {} tracks and albums with predictions, such as {}; they stay as "
            "they are: the journal was moved away, its changes were forgotten, or the predictions "
            "are from another library",
            journal.path, len(unknown), unknown[0],
        )  # fmt: skip
    return not failures.count and not unknown


class Undo:
    """Restores tracks and albums to what they were before one run, or before all of them.

    run: its id, or None for all. writer: saves tags. failed: takes what could not be restored, path
    first. kept: takes what was left alone because somebody has changed it since.
    """

    def __init__(
        self,
        journal: Journal,
        run: int | None,
        writer: TagWriter,
        failed: Report,
        kept: Report,
    ) -> None:
        self._journal = journal
        self._redo_log = RedoLog(journal)
        self._run = run
        self._writer = writer
        self._failed = failed
        self._kept = kept

    def restore(self, model: Item | Album) -> bool:
        """Restore a track or an album, and tell whether all that there was could be taken back.

        All of it or, where the file cannot be written, nothing. What the journal has lost stays.
        Raises JournalError.
        """
        journal_id = fields.own_values(model).get(fields.HISTORY)
        changes = self._journal.changes(journal_id) if journal_id else []
        asked = (change for change in changes if self._run in (None, change.run))
        taken = [change for change in asked if change.run != COMPACTED]
        if not taken:
            return False
        name = name_in_journal(model)
        later = [change.run for change in changes if change.id > taken[0].id]
        if later:
            self._failed(f"{name}: changed again by run {later[0]}, which has to be undone first")
            return False
        synced = isinstance(model, Item) and is_synced(model)
        old = model.copy()
        values, conflicts = revert(
            fields.own_values(model), (change for change in taken if change.place == "database")
        )
        album = model.get_album() if isinstance(model, Item) else None
        if album and fields.own_values(album, fields.TYPES):
            values = {**fields.EMPTY, **values}  # rather than those of the album, which stay
        fields.set_values(model, values)  # listeners of the write see them
        if isinstance(model, Album):
            if not fields.own_values(model, fields.TYPES):
                _uncover(model)
        else:
            try:
                conflicts |= self._restore_file(model, taken, synced=synced)
            except (UnreadableFileError, OSError) as exc:
                self._failed(f"{name}: {reason(exc)}")
                return False
        fields.store(model)
        self._journal.mark_undone(taken)
        fields.show_changes(old, model)
        if conflicts:
            self._kept(f"{name}: changed since, left alone: {', '.join(sorted(conflicts))}")
        if journal_id and self._journal.is_damaged(journal_id):
            self._failed(f"{name}: restored in part, the rest of its history is damaged")
            return False
        return True

    def _restore_file(self, item: Item, changes: Sequence[Change], *, synced: bool) -> set[str]:
        """Restore the tags of a file; return those that somebody has changed since."""
        conflicts = set[str]()
        if in_file := [change for change in changes if change.place == "file"]:
            file = TagFile(item.filepath)
            values, conflicts = revert(file.read(), in_file)
            file.restore(values)
            if any(self._writer.save(file, item, self._redo_log, record=lambda old, new: None)):
                try:
                    self._writer.saved(item, synced=synced)
                except NotWritten as exc:  # it is restored all the same
                    self._failed(f"{name_in_journal(item)}: {exc}")
                return conflicts
        if synced:
            item.mtime = item.current_mtime()
        return conflicts


def _uncover(album: Album) -> None:
    """Remove what hid the fields of an album where a track alone had been restored."""
    for track in album.items():
        own = fields.own_values(track)
        if all(name in own and is_absent(own[name]) for name in fields.EMPTY):
            fields.set_values(track, {fields.GENRES: own[fields.GENRES]})
            track.store()


def _selected(lib: Library, query: Sequence[str]) -> Iterator[Item | Album]:
    """Return the tracks of a query, before them their album if it is selected as a whole."""
    for album, tracks, chosen in AlbumSelection(lib, query):
        if album and len(chosen) == len(tracks):
            yield album
        yield from (track for track in tracks if track.id in chosen)
