"""Change tracks and albums: the journal first, then the database, then the file.

Nothing else of the plugin changes what users see but `commands/undo.py`, which takes it back.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any

from beets import config as beets_config
from beets.library import Album, Item
from beets.util import displayable_path

from beetsplug.genreclf import fields
from beetsplug.genreclf.fields import GENRES, JOURNAL_ID, REVIEW, TAG_NAMES
from beetsplug.genreclf.queries import ALBUM_QUERIES
from beetsplug.genreclf.storage.authorship import GENRE_DECISION
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import AUTHORS, Author, Change, Journal, revert
from beetsplug.genreclf.storage.lost_tracks import find_journal_id, name_in_journal
from beetsplug.genreclf.storage.objects import (
    get_values,
    reload,
    replace_values,
    save,
    stored_name,
)
from beetsplug.genreclf.storage.snapshot import changes_in, take_snapshot
from beetsplug.genreclf.storage.tag_file import Tag, TagFile
from beetsplug.genreclf.storage.value_comparison import Values, diff, is_absent, same
from beetsplug.genreclf.updates import Update, plan_rewrite, plan_tags

if TYPE_CHECKING:
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.storage.tag_writer import TagWriter


class Writer:
    """Makes the changes of one command or import, a run of the journal.

    predictor: whose predictions are written. command: the name of the run. Where the journal cannot
    be written, methods raise JournalError and nothing is changed.
    """

    def __init__(
        self, journal: Journal, tag_writer: TagWriter, predictor: Predictor, command: str
    ) -> None:
        self._journal = journal
        self._redo_log = RedoLog(journal)
        self._tag_writer = tag_writer
        self._cache = predictor.pool.cache
        self._rules = predictor.rules
        self._command = command
        self._started: int | None = None
        self._starting = threading.Lock()  # the stages of an import are threads

    @property
    def started_run(self) -> int | None:
        """The id of the run in the journal, None before the first change."""
        return self._started

    def lock(self, timeout: float = float("inf")) -> AbstractContextManager[None]:
        """Let no other command change anything meanwhile. timeout: as for `Journal.lock`."""
        return self._journal.lock(timeout)

    def store(self, update: Update, *, tags_follow: bool) -> None:
        """Set the fields of a track or an album in the database.

        tags_follow: `write` is called next for the track; if it never is, or fails, the journal
        knows that its file is still to be written.
        """
        follow = tags_follow and isinstance(update.obj, Item)
        self._store(update.obj, update.values, tags_follow=follow, decided=update.decided)

    def make(self, update: Update, *, write: bool) -> list[str]:
        """Store an update and, for a track, write its tags; return the names of changed tags.

        write: whether tags are to be written. Raises as `write` does; the fields are stored then.
        """
        self.store(update, tags_follow=write)
        if write and isinstance(update.obj, Item):
            return self.write(update)
        self.mark_synced(update)
        return []

    def write(self, update: Update) -> list[str]:
        """Write the tags of a track; return the names of those that changed.

        Raises UnreadableFileError or OSError, NotWritten among them.
        """
        item, file = self._open(update)
        self._store(item, get_values(item))  # a prediction from a file has no journal id yet
        changes = self._save(file, item, was_synced=update.before.was_synced)
        self._journal.clear_write_pending(item[JOURNAL_ID])
        return _changed_names(changes)

    def preview(self, update: Update) -> list[str]:
        """Return the names of the tags that `write` would change. Raises as it does."""
        _, file = self._open(update)
        return _changed_names(file.changes(id3v23=beets_config["id3v23"].get(bool)))

    def rewrite_of(self, item: Item) -> Update:
        """Return the update by which the tags of a track are written again."""
        return plan_rewrite(take_snapshot(self._journal, item))

    def restore_lost(self, update: Update) -> None:
        """Set fields again that were lost when a plugin read back a file without their tags."""
        obj = update.obj
        own = get_values(obj)
        lost = {
            name: value
            for name, value in update.values.items()
            if name in TAG_NAMES and not same(own.get(name), value) and _is_lost(name, own, update)
        }
        if lost:
            read = obj.mtime
            replace_values(obj, own | lost)
            obj.mtime = read  # or `beet update` would read the file, and lose them again
            save(obj)

    def mark_synced(self, update: Update) -> None:
        """Update the mtime of a track, so that `beet update` does not read the file again.

        It would revert fields whose tags have not been written.
        """
        item = update.obj
        if isinstance(item, Item) and update.before.was_synced:
            with suppress(OSError):  # it is gone: nothing that could be read either
                item.mtime = item.current_mtime()
                item.store()

    def split_journal_id(self, album: Album) -> None:
        """Give an album a journal id of its own, where others have the same.

        beets copies all fields of an album to each part that it falls into when it is imported
        again. To be called during that import.
        """
        journal_id = get_values(album).get(JOURNAL_ID)
        if not journal_id:
            return
        name = stored_name(album, JOURNAL_ID)
        if len(album.db.albums(ALBUM_QUERIES[name](name, journal_id))) > 1:
            replace_values(album, {GENRES: album.genres})
            save(album)

    def is_stale(self, obj: Item | Album, names: Collection[str] | None = None) -> bool:
        """Return whether a track or an album has been changed or removed since it was read.

        names: as for `get_values`.
        """
        fresh = reload(obj)
        if fresh is None:
            return True
        read, now = get_values(obj, names), get_values(fresh, names)
        return not all(same(read.get(name), now.get(name)) for name in read.keys() | now.keys())

    def is_write_pending(self, item: Item) -> bool:
        """Return whether the tags of a track were to be written and could not be."""
        journal_id = get_values(item).get(JOURNAL_ID)
        return bool(journal_id and self._journal.is_write_pending(journal_id))

    def is_unplaced(self, item: Item) -> bool:
        """Return whether an import has not placed a file in the library, and may never."""
        return self._journal.is_placement_pending(item.path, item.added)

    @property
    def _run(self) -> int:
        with self._starting:
            if self._started is None:
                self._started = self._journal.begin(self._command)
            return self._started

    def _open(self, update: Update) -> tuple[Item, TagFile]:
        """Return a track and its file, with the tags set that it is to have."""
        item = update.obj
        assert isinstance(item, Item)
        file = TagFile(item.filepath)
        # As it is now: what beets has written during an import is in the journal, too.
        in_file = file.read()
        before_file, _ = revert(in_file, changes_in(self._journal, item, "file"))
        file.set(plan_tags(update, _genres(in_file), _genres(before_file), self._rules))
        return item, file

    def _store(
        self,
        obj: Item | Album,
        values: Mapping[str, Any],
        *,
        tags_follow: bool = False,
        decided: Collection[str] = (),
    ) -> None:
        old = get_values(obj)
        # Of now: while an import analyzed the track, another command may have given it an id.
        now = get_values(reload(obj) or obj)
        digest = self._cache.digest_of(obj.filepath) if isinstance(obj, Item) else None
        journal_id = now.get(JOURNAL_ID) or find_journal_id(self._journal, obj, digest)
        journal_id = journal_id or secrets.token_hex(8)
        new = {**values, JOURNAL_ID: journal_id}
        before, after = diff(old, new)
        if after.get(REVIEW) and REVIEW not in decided:  # of a track that was imported again
            before, after = (
                {name: values[name] for name in values if name not in GENRE_DECISION}
                for values in (before, after)
            )
        if {*decided} & {*before, *after}:
            # All of it, also what stays as it is: it is the user's. A decision without the journal
            # id could not be undone.
            decided = (*decided, JOURNAL_ID)
            before |= {name: old[name] for name in decided if name in old}
            after |= {name: new[name] for name in decided}
        else:
            decided = ()
        # Expect the tags before anything changes: a process killed in between can be resumed.
        if before or after:
            for author, change in _by_author(before, after, decided):
                self._journal.record(
                    self._run, journal_id, "database", name_in_journal(obj), *change,
                    author=author, digest=digest, write_pending=tags_follow,
                )  # fmt: skip
        elif tags_follow:
            self._journal.mark_write_pending(journal_id)
        # beets leaves out fields without a value where it adds a track again.
        if before or after or now.keys() != new.keys():
            replace_values(obj, new)
            save(obj)

    def _save(self, file: TagFile, item: Item, *, was_synced: bool) -> tuple[Values, Values]:
        """Save the tags that were set on a file, store its item; return what changed."""

        def record(old: Values, new: Values) -> None:
            _record_file(self._journal, dict.fromkeys(AUTHORS, self._run), item, old, new)

        with self._cache.preserve_digest(item.filepath):
            changes = self._tag_writer.save(file, item, self._redo_log, record)
            try:
                if any(changes):
                    self._tag_writer.saved(item, synced=was_synced)
                elif was_synced:
                    item.mtime = item.current_mtime()
            finally:  # listeners may have changed the item, also where one of them failed
                item.store()
        return changes


def record_beets_write(
    journal: Journal, item: Item, tags: Mapping[str, Any], imported: Update | None
) -> None:
    """Record the part of a write by beets that the plugin has decided, so that it can be undone.

    tags: values of media fields. Those that differ from the plugin's decision are the user's.
    imported: the update of a track that is being imported. Another plugin may have emptied its file
    before this write; the update knows the tags that it had.

    Raises JournalError, mediafile.UnreadableFileError or OSError.
    """
    changes = changes_in(journal, item, "database")
    decided = _newest(changes)
    ours = {
        name: tags[name]
        for name in TAG_NAMES
        if name in tags and name in decided and same(tags[name], decided[name])
    }
    if not ours:
        return
    written = _newest(changes_in(journal, item, "file"))
    file = TagFile(item.filepath)
    old = file.read()
    file.set(ours)
    before, after = (
        {name: tag for name, tag in changed.items() if name in ours}
        for changed in file.changes(id3v23=beets_config["id3v23"].get(bool), by_beets=True)
    )
    lost = imported.before.values if imported else {}
    for name in after.keys() - old.keys():
        if not is_absent(had := written.get(name)):
            before[name] = had  # emptied after it was written, and now perhaps joined by slashes
        elif not is_absent(value := lost.get(name)):
            before[name] = _as_tag(value)
    # A tag that was emptied after the plugin wrote it is only put back: the journal has it already.
    known = {name for name in after if name not in old and same(written.get(name), after[name])}
    before, after = (
        {name: value for name, value in values.items() if name not in known}
        for values in (before, after)
    )
    newest: dict[Author, int] = {change.author: change.run for change in reversed(changes)}
    runs = dict.fromkeys(AUTHORS, changes[0].run) | newest
    _record_file(journal, runs, item, before, after)


def _record_file(
    journal: Journal, runs: Mapping[Author, int], item: Item, old: Values, new: Values
) -> None:
    """Record what is about to change in a file, if anything is. runs: by author.

    The genres of a track that the user has decided about are the user's.
    """
    path = displayable_path(item.path)
    decided = (GENRES,) if get_values(item).get(REVIEW) else ()
    for author, change in _by_author(old, new, decided):
        journal.record(runs[author], item[JOURNAL_ID], "file", path, *change, author=author)


def _by_author(
    old: Values, new: Values, decided: Collection[str]
) -> Iterator[tuple[Author, tuple[Values, Values]]]:
    """Yield the parts of a change by the plugin and by the user, where there are any.

    decided: the names of the fields or tags that the user has decided on.
    """
    for author in AUTHORS:
        before, after = (
            {name: each[name] for name in each if (name in decided) == (author == "user")}
            for each in (old, new)
        )
        if before or after:
            yield author, (before, after)


def _newest(changes: Iterable[Change]) -> Values:
    """Return the values that changes made, each by the newest one. changes: newest first."""
    newest: Values = {}
    for change in changes:
        for name in change.old.keys() | change.new.keys():
            newest.setdefault(name, change.new.get(name))
    return newest


def _changed_names(changes: tuple[Values, Values]) -> list[str]:
    return [name for name in TAG_NAMES if any(name in values for values in changes)]


def _genres(tags: Mapping[str, Any]) -> list[str]:
    return [*tags[GENRES]["text"]] if GENRES in tags else []


def _as_tag(value: Any) -> Tag:
    """Return the value of a field as a tag that no file has had yet, see `TagFile.restore`."""
    texts = value if isinstance(value, list) else [value]
    digits = fields.CONFIDENCE_DIGITS
    text = [f"{part:.{digits}f}" if isinstance(part, float) else str(part) for part in texts]
    return {"text": text, "key": ""}


def _is_lost(name: str, own: Mapping[str, Any], update: Update) -> bool:
    """Return whether a field has the value that a file without the tags of an update gives it."""
    value = own.get(name)
    if name != GENRES:
        return is_absent(value)
    if same(update.values[name], update.before.values.get(name)):
        return False  # they are not the plugin's
    if is_absent(value):
        return is_absent(own.get(fields.MODEL))  # otherwise, another plugin has emptied them
    return same(value, update.before.genres_before)
