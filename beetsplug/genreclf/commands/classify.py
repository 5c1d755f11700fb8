"""`beet genreclf`: tracks of a library that exists."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING, ClassVar

from beets import ui
from beets.library import Album, Item, Library
from beets.util import displayable_path
from mediafile import UnreadableFileError

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands._progress import Bar, is_terminal
from beetsplug.genreclf.storage.selection import AlbumSelection, Group
from beetsplug.genreclf.storage.tag_file import reason
from beetsplug.genreclf.tagging import AHEAD, Tagger, Update

if TYPE_CHECKING:
    from concurrent.futures import Future

    from genremodel import Analysis, Prediction


@dataclass(frozen=True)
class Mode:
    """What `beet genreclf` was asked for.

    force: also tracks that have a prediction. pretend: show changes, make none. write: tags too,
    and those of tracks whose file could not be written before; rewrite: those of all tracks of the
    query. quiet: say nothing of tracks that are well.
    """

    force: bool
    pretend: bool
    write: bool
    rewrite: bool
    quiet: bool


@dataclass(frozen=True)
class _Batch:
    """Tracks that are heard together: an album, or one track.

    asked: those that the query selects. wanted: those that are to be changed. unfilled: those, or
    the album, that get genres by the policy but keep their prediction. pending: what is being
    heard, by the ids of the tracks; empty where all is known.
    """

    album: Album | None
    tracks: list[Item]
    asked: list[Item]
    wanted: list[Item]
    unfilled: list[Item | Album]
    pending: dict[int | None, Future[Analysis]]


class Retag:
    """Hears the tracks of a query, album by album, and shows or makes the changes."""

    outcomes: ClassVar = ["written", "kept", "abstained", "failed"]

    def __init__(self, tagger: Tagger, log: Logger, mode: Mode) -> None:
        self._tagger = tagger
        self._log = log
        self._mode = mode
        self._counts = Counter[str]()

    def run(self, lib: Library, query: Sequence[str]) -> int:
        """Do it, and count; return how many tracks failed."""
        groups = AlbumSelection(lib, query)
        self._watched = is_terminal() and not (self._mode.quiet or self._mode.pretend)
        with Bar(groups.total, shown=self._watched) as self._bar:
            try:
                for batch in self._submitted_ahead(groups):
                    self._decide(batch)
            finally:
                rare = [name for name in ("tagged", "skipped") if self._counts[name]]
                outcomes = dict.fromkeys([*self.outcomes, *rare])
                counts = (f"{self._counts[outcome]} {outcome}" for outcome in outcomes)
                with self._bar.hidden():
                    self._log.info("{}", ", ".join(counts))
        return self._counts["failed"]

    def _submitted_ahead(self, groups: Iterable[Group]) -> Iterator[_Batch]:
        """Submit what is to be heard, and return it in order once enough is under way behind it."""
        ahead = deque[_Batch]()
        size = 0
        for album, tracks, chosen in groups:
            asked = [track for track in tracks if track.id in chosen]
            if unplaced := [track for track in asked if self._tagger.is_unplaced(track)]:
                self._skip(unplaced)
                asked = [track for track in asked if track not in unplaced]
                tracks = [track for track in tracks if track not in unplaced]
            if not asked:
                continue
            wanted = self._wanted(album, asked)
            pending = {} if wanted is None else self._tagger.submit(tracks)
            unfilled = self._unfilled(album, asked, wanted)
            ahead.append(_Batch(album, tracks, asked, wanted or [], unfilled, pending))
            size += len(tracks)
            while size > AHEAD:
                size -= len(ahead[0].tracks)
                yield ahead.popleft()
        yield from ahead

    def _wanted(self, album: Album | None, asked: list[Item]) -> list[Item] | None:
        """Return the tracks that are to be changed, or None where nothing need be heard."""
        tagger = self._tagger
        wanted = [track for track in asked if self._mode.force or not tagger.is_current(track)]
        if not wanted and (album is None or tagger.is_current(album)):
            return None
        return asked if album and tagger.is_one(album) else wanted

    def _unfilled(
        self, album: Album | None, asked: list[Item], wanted: list[Item] | None
    ) -> list[Item | Album]:
        """Return the current tracks, and the album, that miss the genres of the policy."""
        tagger = self._tagger
        one = album if album and tagger.is_one(album) else None
        known: list[Item | Album] = [track for track in asked if track not in (wanted or [])]
        if album and wanted is None:
            known.append(album)
        return [model for model in known if tagger.misses_policy(model, one or model)]

    def _decide(self, batch: _Batch) -> None:
        heard: dict[int | None, Prediction] = {}
        for track in batch.tracks:  # others of the album fail without being counted
            report = self._fail if track in batch.asked else self._warn
            heard |= self._tagger.collect([track], batch.pending, report)
        updates = self._tagger.updates(batch.album, batch.wanted, heard)
        self._agree([self._sparing(update) for update in updates])
        if batch.unfilled:
            one = batch.album if batch.album and self._tagger.is_one(batch.album) else None
            self._agree(self._tagger.reapplied(one, batch.unfilled))
        for track in batch.asked:
            decided = track in batch.wanted or track in batch.unfilled
            if not decided and self._is_unwritten(track):
                self._write_stored(track)
            self._bar.advance()

    def _sparing(self, update: Update) -> Update:
        """Return an update that leaves genres empty where somebody has emptied them."""
        emptied = self._tagger.was_emptied(update.model)
        return update.with_genres([]) if emptied else update

    def _agree(self, updates: list[Update]) -> None:
        """Apply what changes on the tracks of an album, and on the album, or on one track."""
        for update in updates:
            self._apply(update)

    def _apply(self, update: Update, outcome: str | None = None) -> None:
        """Show or make a change. outcome: what it counts as, by default that of the update."""
        outcome = outcome or update.outcome
        if self._mode.pretend:
            new = update.model.copy()
            new.update(update.values)
            fields.show_changes(update.model, new)
        else:
            with self._tagger.lock():
                if not self._change(update):
                    return
        if isinstance(update.model, Item):
            self._counts[outcome] += 1

    def _change(self, update: Update) -> bool:
        """Make a change, and tell whether all of it could be made."""
        if self._tagger.is_stale(update.model):
            self._leave(update)
            return False
        if not (self._watched or self._mode.quiet):
            self._log.info("{}", update)
        self._tagger.store(update, writes=self._mode.write)
        if isinstance(update.model, Album):
            return True
        if self._mode.write:
            return self._write_tags(update) is not None
        self._tagger.settle(update)
        return True

    def _leave(self, update: Update) -> None:
        self._counts["skipped"] += isinstance(update.model, Item)
        path = displayable_path(update.model.path)
        self._warn(f"{path}: changed meanwhile by another command, left alone")

    def _skip(self, tracks: list[Item]) -> None:
        """Skip tracks whose files an import has not placed yet."""
        for track in tracks:
            self._counts["skipped"] += 1
            self._warn(
                f"{displayable_path(track.path)}: skipped until its import has placed the file; if "
                "it was interrupted, import it again"
            )
            self._bar.advance()

    def _is_unwritten(self, track: Item) -> bool:
        """Tell whether the tags of a track are to be written that has a prediction."""
        return self._mode.rewrite or (self._mode.write and self._tagger.is_unwritten(track))

    def _write_stored(self, track: Item) -> None:
        """Write, or show, the tags of a track that has a prediction, if it still has."""
        with nullcontext() if self._mode.pretend else self._tagger.lock():
            now = fields.fresh(track)
            if not isinstance(now, Item) or not self._tagger.is_current(now):
                return
            if changes := self._write_tags(self._tagger.stored(now)):
                self._counts["tagged"] += 1
                if self._mode.pretend:
                    path = displayable_path(now.path)
                    ui.print_(f"{path}: tags to write: {', '.join(changes)}")

    def _write_tags(self, update: Update) -> list[str] | None:
        """Write the tags of a track; return the names of those that change, None if it fails."""
        try:
            return self._tagger.write(update, pretend=self._mode.pretend)
        except (UnreadableFileError, OSError) as exc:
            self._fail(f"{displayable_path(update.model.path)}: {reason(exc)}")
            return None

    def _fail(self, message: str) -> None:
        self._counts["failed"] += 1
        with self._bar.hidden():
            self._log.error("{}", message)

    def _warn(self, message: str) -> None:
        with self._bar.hidden():
            self._log.warning("{}", message)
