"""`beet genreclf`: tracks of a library that exists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from logging import Logger

from beets.exceptions import UserError
from beets.library import Album, Item, Library
from beets.util import displayable_path
from mediafile import UnreadableFileError

from beetsplug.genreclf import fields
from beetsplug.genreclf.groups import groups
from beetsplug.genreclf.tagging import Tagger, Update, is_synced

OUTCOMES = ("written", "kept", "abstained", "failed")


class Retag:
    """Hears the tracks of a query, album by album, and shows or makes the changes.

    force: also tracks that have a prediction. write: their tags too, and those of tracks whose file
    could not be written before; rewrite: those of all tracks of the query.
    """

    def __init__(
        self,
        tagger: Tagger,
        log: Logger,
        *,
        force: bool,
        pretend: bool,
        write: bool,
        rewrite: bool,
    ) -> None:
        self._tagger = tagger
        self._log = log
        self._force = force
        self._pretend = pretend
        self._write = write
        self._rewrite = rewrite
        self._counts = Counter[str]()

    def run(self, lib: Library, query: Sequence[str]) -> None:
        """Do it, and count. Raises UserError at the end when a track failed."""
        for album, tracks, chosen in groups(lib, query):
            asked = [track for track in tracks if track.id in chosen]
            wanted = [track for track in asked if self._force or not self._tagger.is_current(track)]
            if wanted or (album and not self._tagger.is_current(album)):
                if album and self._tagger.is_one(album):
                    wanted = asked
                heard = self._tagger.hear(tracks, self._fail)
                for update in self._tagger.updates(album, wanted, heard):
                    self._apply(update)
            if not self._pretend:
                for track in asked:
                    if track not in wanted and self._is_unwritten(track):
                        self._write_tags(self._tagger.stored(track))
        counts = (f"{self._counts[outcome]} {outcome}" for outcome in OUTCOMES)
        self._log.info("{}", ", ".join(counts))
        if self._counts["failed"]:
            raise UserError("some tracks could not be classified or written")

    def _apply(self, update: Update) -> None:
        outcome = update.outcome
        if self._pretend:
            new = update.model.copy()
            new.update(update.values)
            fields.show_changes(update.model, new)
        else:
            self._log.info("{}", update)
            self._tagger.store(update)
        if isinstance(update.model, Album):
            return
        if self._write and not self._pretend:
            if not self._write_tags(update):
                return
        elif not self._pretend:
            self._tagger.settle(update)
        self._counts[outcome] += 1

    def _is_unwritten(self, track: Item) -> bool:
        """Tell whether the tags of a track are to be written that has a prediction."""
        return self._rewrite or (self._write and not is_synced(track))

    def _write_tags(self, update: Update) -> bool:
        try:
            self._tagger.write(update)
        except (UnreadableFileError, OSError) as exc:
            self._fail(f"{displayable_path(update.model.path)}: {exc}")
            return False
        return True

    def _fail(self, message: str) -> None:
        self._counts["failed"] += 1
        self._log.error("{}", message)
