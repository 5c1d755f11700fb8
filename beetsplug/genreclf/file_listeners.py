"""Handlers of beets' events: its own writes, moved files, and changes that were interrupted."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from confuse import ConfigError
from mediafile import UnreadableFileError

from beetsplug.genreclf.config import cache_file, should_write
from beetsplug.genreclf.fields import GENRES, MEDIA_FIELDS
from beetsplug.genreclf.handlers import contained
from beetsplug.genreclf.storage.errors import JournalError
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.objects import get_values, reload
from beetsplug.genreclf.storage.value_comparison import same
from beetsplug.genreclf.writer import record_beets_write

if TYPE_CHECKING:
    from beets.library import Item, Library

    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.import_stage import ImportListeners
    from beetsplug.genreclf.updates import Update


class FileListeners:
    """Follows what beets does to files."""

    def __init__(self, context: Context, imports: ImportListeners) -> None:
        self._context = context
        self._imports = imports
        self._reported_journal = False

    @contained()
    def recover(self, lib: Library) -> None:
        """Finish changes of files that were interrupted, before any command reads the files."""
        try:
            journal = self._context.journal(lib)
            redo_log = RedoLog(journal)
            if not redo_log.has_marker:
                return
            # Wait for the lock only if there is a change to finish. Another plugin may run `beet`
            # while it handles our write events, and this lock is then held by its parent process.
            if redo_log.has_records:
                with journal.lock():
                    messages = redo_log.recover()
                for message in messages:
                    self._context.log.warning("{}", message)
            else:
                redo_log.clear_marker_if_free()
        except (JournalError, OSError) as exc:
            self._context.log.warning("interrupted changes of files cannot be finished: {}", exc)

    @contained()
    def written(self, item: Item, path: bytes, tags: dict[str, Any]) -> None:
        """Adjust what beets is about to write into a file, and record it in the journal.

        beets writes whether or not it can be recorded. If it cannot, undo finds the tags changed.
        """
        if self._context.tag_writer.is_sending or item.id is None or item._db is None:
            return
        update = self._imports.pending_update(item)
        if update and not should_write(self._context.options["write"].get()):
            _withhold(update, tags)
        else:
            _remove_deleted(item, tags)
        if path == item.path:
            try:
                record_beets_write(self._context.journal(item.db), item, tags, update)
            except JournalError as exc:
                if not self._reported_journal:
                    self._reported_journal = True
                    message = f"{exc}; tags that beets writes are not recorded"
                    self._context.report(message, logging.WARNING)
            except (UnreadableFileError, OSError):
                pass  # beets cannot write it either, and reports that

    @contained()
    def moved(self, item: Item, source: bytes, destination: bytes) -> None:
        """Keep the cached analysis of a file in its new place."""
        try:
            path = cache_file(self._context.options)
        except ConfigError:  # reported by the commands that need a cache, once and not by file
            return
        if not path.exists():
            return
        from genremodel.audio.digest import audio_digest
        from genremodel.batch.cache import Cache, FileState

        # If it fails, the file is found again by its audio.
        with Cache(path) as cache, suppress(OSError):
            file = FileState.from_path(destination)
            moved = not os.path.exists(source)  # noqa: PTH110  # bytes
            before = replace(file, path=source) if moved else FileState.from_path(source)
            cache.relink_moved(before, file, lambda: audio_digest(destination))

    def report_failure(self, what: str, error: Exception) -> None:
        """Report an unexpected error in a handler."""
        self._context.report_failure(what, error)


def _withhold(update: Update, tags: dict[str, Any]) -> None:
    """Keep the values of an update out of a file that the plugin is not to write."""
    for name in MEDIA_FIELDS:
        tags.pop(name, None)
    if update.has_applied_genre and same(tags.get(GENRES), update.obj.genres):
        tags[GENRES] = update.before.genres_before


def _remove_deleted(item: Item, tags: dict[str, Any]) -> None:
    """Remove the tags of fields that `beet modify FIELD!` deletes; the database still has them."""
    if removed := MEDIA_FIELDS.keys() - get_values(item):
        stored = get_values(reload(item) or item, removed)
        for name in removed:
            tags.pop(name, None)
            if stored.get(name):
                tags[name] = None
