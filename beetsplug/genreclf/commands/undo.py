"""The `genreclf-undo` command: undo changes in the database and in files."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from logging import Logger
from typing import TYPE_CHECKING, Protocol

from beets import config, ui
from beets.exceptions import UserError
from beets.library import Album, Item, Library
from mediafile import UnreadableFileError

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands import exclusive, user_errors
from beetsplug.genreclf.commands._printing import show_changes
from beetsplug.genreclf.commands._progress import Failures, Report
from beetsplug.genreclf.commands._selection import NO_MATCHES, TrackSelection, matching_items
from beetsplug.genreclf.messages import count
from beetsplug.genreclf.storage.authorship import split_by_author
from beetsplug.genreclf.storage.compaction import compact
from beetsplug.genreclf.storage.inplace.file_state import NotWritten
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import COMPACTED, Change, Journal, revert
from beetsplug.genreclf.storage.journal_rows import decided_fields
from beetsplug.genreclf.storage.lost_tracks import (
    ObjectKey,
    find_lost,
    has_prediction,
    name_in_journal,
    object_key,
    relink_lost,
)
from beetsplug.genreclf.storage.objects import (
    get_values,
    is_synced,
    reload,
    replace_values,
    save,
    stored_name,
)
from beetsplug.genreclf.storage.tag_file import TagFile, reason

if TYPE_CHECKING:
    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.storage.tag_writer import TagWriter

_NOTHING = "nothing to undo"
_ALL = 1_000_000  # days: more than any journal has, and still a time


class UndoOptions(Protocol):
    """The options of `beet genreclf-undo`."""

    album: bool
    pretend: bool
    quiet: bool
    run: int | None
    last: bool
    list: bool
    forget_older_than: int | None


def command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-undo`."""
    undo = ui.Subcommand("genreclf-undo", help="undo changes made by genreclf")
    undo.parser.add_option(
        "-p",
        "--pretend",
        action="store_true",
        default=False,
        help="show changes but do nothing",
    )
    undo.parser.add_option(
        "-q",
        "--quiet",
        action="store_true",
        default=False,
        help="print only errors and the summary",
    )
    undo.parser.add_option(
        "-r",
        "--run",
        type="int",
        default=None,
        metavar="ID",
        help="undo one run only",
    )
    undo.parser.add_option(
        "-l",
        "--last",
        action="store_true",
        default=False,
        help="undo the most recent run",
    )
    undo.parser.add_option(
        "--list",
        action="store_true",
        default=False,
        help="list the runs",
    )
    undo.parser.add_option(
        "--forget-older-than",
        type="int",
        default=None,
        metavar="DAYS",
        help="delete older changes, which can then no longer be undone",
    )
    undo.parser.add_album_option()
    undo.func = partial(_run, context)
    return undo


def _run(context: Context, lib: Library, options: UndoOptions, query: list[str]) -> None:
    forget = options.forget_older_than is not None
    other = {"--list": options.list, "--forget-older-than": forget}
    exclusive({**other, "--last": options.last, "--run": options.run is not None})
    exclusive({**other, "a query": query})
    journal = context.journal(lib)
    context.clear_marker_at_exit()
    with user_errors():
        if options.list:
            _list_runs(journal, context.log)
        elif options.forget_older_than is not None:
            _forget_older_than(journal, options.forget_older_than, context.log)
        elif not _undo(context, lib, query, journal, options):
            context.fail("some tracks could not be restored")


def _list_runs(journal: Journal, log: Logger) -> None:
    """Print the runs, oldest first."""
    runs = journal.runs()
    if not runs:
        log.info("no runs recorded")
    for run in runs:
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))
        state = " (undone)" if run.undone else ""
        objs = count(run.objects, "track or album", "tracks and albums")
        ui.print_(f"{run.id}: {started} {run.command}, {objs}{state}")


def _forget_older_than(journal: Journal, days: int, log: Logger) -> None:
    """Delete changes older than some days from the journal. Raises UserError."""
    if days < 0:
        raise UserError("--forget-older-than must be 0 or more")
    with journal.lock():
        deleted = compact(journal, time.time() - min(days, _ALL) * 86400)
    log.info("deleted {}, which can no longer be undone", count(deleted, "change"))


def _undo(
    context: Context, lib: Library, query: Sequence[str], journal: Journal, options: UndoOptions
) -> bool:
    """Undo one run, or all, on the tracks of a query; return whether all could be restored.

    Raises UserError when there is no such run.
    """
    if options.run is not None and options.run not in [run.id for run in journal.runs()]:
        raise UserError(f"there is no run {options.run}; `beet genreclf-undo --list` shows them")
    selection = TrackSelection(lib, query, match_albums=options.album)
    if not selection.total:
        context.log.info(NO_MATCHES)
        return True
    items = matching_items(lib, [] if options.last else query, match_albums=options.album)
    lost: dict[ObjectKey, str] = {}
    if options.pretend:
        lost = find_lost(lib, items, journal)
    else:
        relink_lost(lib, items, journal)
    log, failures = context.log, Failures(context.log)
    run = _last_run(lib, journal, {*lost.values()}) if options.last else options.run
    if options.last and run is None:
        log.info(_NOTHING)
        return True
    undo = Undo(
        journal, run, context.tag_writer, lost,
        fail=failures.report, warn=partial(log.warning, "{}"),
        pretend=options.pretend, quiet=options.quiet,
    )  # fmt: skip
    restored = Counter[type]()
    unknown: list[str] = []
    for obj in _selected(selection):
        with nullcontext() if options.pretend else journal.lock():
            now = reload(obj)
            failed = failures.count
            done = now is not None and undo.restore(now)
        if now and run is None and not done and failures.count == failed and has_prediction(now):
            unknown.append(name_in_journal(now))
        if done:
            restored[type(obj)] += 1
    if not (restored or failures.count or unknown):
        log.info(_NOTHING)
        return True
    objs = count(restored[Item], "track")
    if restored[Album]:
        objs += f" and {count(restored[Album], 'album')}"
    verb = "would be restored" if options.pretend else "restored"
    log.info("{} {}, {} failed", objs, verb, failures.count)
    if unknown:
        log.error(
            "{}: no changes recorded for {} with predictions, such as {}; not restored: the "
            "journal was moved away, its changes were deleted, or the predictions are from another "
            "library",
            journal.path,
            count(len(unknown), "track or album", "tracks and albums"),
            unknown[0],
        )
    return not failures.count and not unknown


def _last_run(lib: Library, journal: Journal, lost: set[str]) -> int | None:
    """Return the id of the newest run that can be undone, or None if there is none.

    lost: journal ids of tracks and albums in the library that are not stored there.
    """
    with lib.transaction() as transaction:
        rows = transaction.query(
            "SELECT value FROM item_attributes WHERE key = ? "
            "UNION SELECT value FROM album_attributes WHERE key = ?",
            (fields.JOURNAL_ID, fields.ALBUM_NAMES[fields.JOURNAL_ID]),
        )
    present = lost | {id_ for (id_,) in rows}  # the others have been removed from the library
    for run in reversed(journal.runs()):
        if present & journal.objects_of_run(run.id):
            return run.id
    return None


class Undo:
    """Restores tracks and albums to their values before one run, or before all by the plugin.

    run: its id, or None for all; then decisions of the user stay. lost: journal ids of objects that
    do not have them stored. fail, warn: take messages, which begin with `name_in_journal`.
    pretend: show changes but do nothing. quiet: do not show them.
    """

    def __init__(
        self,
        journal: Journal,
        run: int | None,
        tag_writer: TagWriter,
        lost: Mapping[ObjectKey, str],
        *,
        fail: Report,
        warn: Report,
        pretend: bool = False,
        quiet: bool = False,
    ) -> None:
        self._journal = journal
        self._redo_log = RedoLog(journal)
        self._run = run
        self._tag_writer = tag_writer
        self._fail = fail
        self._warn = warn
        self._lost = lost
        self._pretend = pretend
        self._quiet = quiet

    def restore(self, obj: Item | Album) -> bool:
        """Restore a track or an album; return whether all recorded changes could be undone.

        Restores nothing if the file cannot be written. Raises JournalError.
        """
        journal_id = get_values(obj).get(fields.JOURNAL_ID) or self._lost.get(object_key(obj))
        changes = self._journal.changes(journal_id) if journal_id else []
        changed = {name for change in changes for name in change.names}
        for name in changed:
            if name not in fields.MANAGED_FIELDS and (source := fields.source_of(name)):
                fields.add_source(source)  # its model has been deleted
        decided = decided_fields(changed)
        managed = [*fields.MANAGED_FIELDS, *decided] if decided else None
        kept: list[Change] = []
        if self._run is None:
            undone, kept = split_by_author(self._journal, changes, get_values(obj, managed))
        else:
            undone = [change for change in changes if change.run == self._run != COMPACTED]
        if not undone:
            return False
        name = name_in_journal(obj)
        if self._run is not None and (later := _later_run(changes, undone)):
            self._fail(f"{name}: changed by a later run; undo run {later} first")
            return False
        synced = isinstance(obj, Item) and is_synced(obj)
        old = obj.copy()
        values, conflicts = revert(
            get_values(obj, managed), (change for change in undone if change.place == "database")
        )
        if kept or len(undone) < len(changes):  # others can be undone later
            values[fields.JOURNAL_ID] = journal_id
        replace_values(obj, values, managed)  # listeners of the write see them
        try:
            in_file = [change for change in undone if change.place == "file"]
            if isinstance(obj, Item):
                conflicts |= self._restore_file(obj, in_file, synced=synced)
        except (UnreadableFileError, OSError) as exc:
            self._fail(f"{name}: {reason(exc)}")
            return False
        if not self._pretend:
            save(obj)
            self._journal.mark_undone(undone, kept)
        if not self._quiet:
            show_changes(old, obj, managed)
        if conflicts:
            names = ", ".join(sorted(stored_name(obj, field) for field in conflicts))
            self._warn(f"{name}: not restored, changed since: {names}")
        if journal_id and self._journal.is_damaged(journal_id):
            self._fail(f"{name}: restored in part, because the journal is damaged")
            return False
        return True

    def _restore_file(self, item: Item, changes: Sequence[Change], *, synced: bool) -> set[str]:
        """Restore the tags of a file; return the names of those that were changed since."""
        conflicts = set[str]()
        if changes:
            file = TagFile(item.filepath)
            values, conflicts = revert(file.read(), changes)
            file.restore(values)
            if self._pretend:
                self._show_tags(item, file)
                return conflicts
            if any(self._tag_writer.save(file, item, self._redo_log, record=_record_nothing)):
                try:
                    self._tag_writer.saved(item, synced=synced)
                except NotWritten as exc:  # it is restored all the same
                    self._fail(f"{name_in_journal(item)}: {exc}")
                return conflicts
        if synced and not self._pretend:
            item.mtime = item.current_mtime()
        return conflicts

    def _show_tags(self, item: Item, file: TagFile) -> None:
        """Print the names of the tags that would be restored."""
        changes = file.changes(id3v23=config["id3v23"].get(bool))
        names = [name for name in fields.TAG_NAMES if any(name in values for values in changes)]
        if names and not self._quiet:
            ui.print_(f"{item}: tags to restore: {', '.join(names)}")


def _later_run(changes: Iterable[Change], undone: Sequence[Change]) -> int | None:
    """Return the run that must be undone before some changes of another, None if there is none.

    An earlier run may have later changes: beets wrote its tags since, or two commands ran at once.
    These count only if they are of the same fields or tags.
    """
    run = undone[0].run
    for change in changes:
        before = [other for other in undone if other.id < change.id]
        if change.run < run:
            before = [x for x in before if x.place == change.place and x.names & change.names]
        if before and change.run != run:
            return change.run
    return None


def _record_nothing(old: object, new: object) -> None:
    """Do not record that changes are undone: the journal marks them."""


def _selected(selection: TrackSelection) -> Iterator[Item | Album]:
    """Yield the selected tracks, each album before its tracks if all of them are selected."""
    for group in selection:
        if len(group.selected_ids) == len(group.items):
            yield from group.albums
        yield from group.selected
