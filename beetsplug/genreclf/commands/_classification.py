"""Classify tracks, album by album, as `beet genreclf` and the review page do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol, TypeAlias

from beets import config as beets_config
from beets import ui
from beets.library import Item, Library
from beets.util import displayable_path
from mediafile import UnreadableFileError

from beetsplug.genreclf.commands._batches import Batch, Batches
from beetsplug.genreclf.commands._printing import show_changes
from beetsplug.genreclf.commands._selection import Selection
from beetsplug.genreclf.commands._summary import Summary
from beetsplug.genreclf.commands.review import Answer, keep_existing
from beetsplug.genreclf.decisions import decide
from beetsplug.genreclf.fields import GENRES
from beetsplug.genreclf.planner import Planner
from beetsplug.genreclf.storage.objects import reload, replace_values
from beetsplug.genreclf.storage.tag_file import reason
from beetsplug.genreclf.updates import Update, describe

if TYPE_CHECKING:
    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.updates import Predicted

Confirm: TypeAlias = Callable[[Sequence[Update]], Answer]

_OUTCOMES = {"keep": "kept", "correct": "edited"}  # of decisions, in the summary


class Progress(Protocol):
    """Shows the progress of a classification."""

    def advance(self, tracks: int = 1) -> None:
        """Count tracks that are done."""

    def hidden(self) -> AbstractContextManager[None]:
        """Return a context in which messages can be printed."""


class ClassifyOptions(Protocol):
    """The options of `beet genreclf`. write: None where neither -w nor -W is given."""

    force: bool
    pretend: bool
    write: bool | None
    quiet: bool
    cache: bool
    review: bool
    album: bool


class Classify:
    """Classifies tracks, album by album, and shows or makes the changes.

    bar: advances with each track. command: the name of the run in the journal. confirm: asks the
    user about the updates of each album; then only tracks without genres are classified, and
    existing genres stay, whatever the policy.
    """

    def __init__(
        self,
        context: Context,
        lib: Library,
        predictor: Predictor,
        options: ClassifyOptions,
        bar: Progress,
        confirm: Confirm | None = None,
        command: str = "genreclf",
    ) -> None:
        self._context = context
        self._log = context.log
        self._options = options
        self._predictor = predictor
        self._planner = Planner(predictor, context.journal(lib), respell=options.force)
        self._writer = context.writer(lib, predictor, command)
        self._batches = Batches(
            predictor, self._planner, self._writer, force=options.force, untagged=bool(confirm)
        )
        self._writes = predictor.config.writes() if options.write is None else options.write
        self._bar = bar
        self._confirm = confirm
        self._summary = Summary(pretend=options.pretend, reviewing=bool(confirm))
        self._counts = self._summary.counts

    @property
    def run_id(self) -> int | None:
        """The run in the journal, None before the first change."""
        return self._writer.started_run

    @property
    def updated(self) -> int:
        """How many tracks have got other genres."""
        return self._counts["updated"]

    @property
    def failures(self) -> int:
        """How many tracks could not be classified or written."""
        return self._counts["failed"]

    def run(self, selections: Iterable[Selection]) -> None:
        """Classify the selected tracks, until the user quits."""
        for batch in self._batches.submit_ahead(selections):
            for item in batch.unplaced:
                self._skip_unplaced(item)
            self._skip(batch.skipped)
            if batch.selection.selected and not self._process(batch):
                return
        self._summary.is_complete = True

    def show_summary(self, total: int) -> None:
        """Print the counts, after the changes of genres that --pretend has found."""
        self._summary.print_changes()
        self._context.show_summary(self._summary.text(total))

    def _process(self, batch: Batch) -> bool:
        """Decide and change the tracks of a batch; return False if the user quits."""
        selected, artist_items = batch.selection.selected, batch.selection.artist_items
        selected_ids = {item.id for item in selected}
        predicted: dict[int | None, Predicted] = {}
        for item in batch.selection.items:  # others of the album fail without being counted
            report = self._fail if item.id in selected_ids else self._warn
            predicted |= self._predictor.collect([item], batch.pending, report)
        predicted, of_outdated = batch.split(predicted)
        recalled: dict[int | None, Predicted] = {}
        if predicted or batch.lacking:
            recalled = self._predictor.recall_others(artist_items, predicted)
        artist_prediction = self._predictor.predict_artist(artist_items, {**predicted, **recalled})
        updates = self._plan(batch, predicted, artist_prediction)
        if self._confirm:
            rules = self._predictor.rules
            goes_on = self._review([keep_existing(update, rules) for update in updates])
            self._bar.advance(len(selected))
            return goes_on
        self._apply_all([_keep_emptied(update) for update in updates])
        lacking = self._replan(batch, artist_prediction, recalled, of_outdated)
        self._apply_all(lacking)
        replanned = {update.obj.id for update in lacking if isinstance(update.obj, Item)}
        outdated = [item for item in batch.outdated if item.id not in replanned]
        self._apply_all(self._planner.plan_others(outdated, of_outdated), "unchanged")
        done = {item.id for item in (*batch.wanted, *batch.outdated)} | replanned
        for item in selected:
            if item.id not in done:
                self._rewrite(item)
        self._bar.advance(len(selected))
        return True

    def _plan(
        self,
        batch: Batch,
        predicted: Mapping[int | None, Predicted],
        artist_prediction: Predicted | None,
    ) -> list[Update]:
        """Return the updates of the wanted tracks, and of the albums that have new predictions."""
        by_artist = None
        if artist_prediction:
            by_artist = dict.fromkeys(batch.selection.artist_ids, artist_prediction)
        return [
            update
            for album, wanted, of_album in batch.by_album(predicted)
            for update in self._planner.plan(album, wanted, of_album, by_artist)
        ]

    def _replan(
        self,
        batch: Batch,
        artist_prediction: Predicted | None,
        recalled: Mapping[int | None, Predicted],
        of_outdated: Mapping[int | None, Predicted],
    ) -> list[Update]:
        """Return the updates of those that keep their predicted genres but get other genres."""
        if not batch.lacking:
            return []
        album = next(filter(self._planner.shares_genre, batch.selection.albums), None)
        joint = self._predictor.recall(album) if album else artist_prediction
        updates = self._planner.replan(batch.lacking, joint, recalled, of_outdated)
        follows = batch.selection.artist_ids
        return [
            update
            for update in updates
            if update.changes_genres or (update.obj.id in follows and update.changes_scope)
        ]

    def _review(self, updates: Sequence[Update]) -> bool:
        """Apply the updates as the user decides; return False if the user quits."""
        items = [update for update in updates if isinstance(update.obj, Item)]
        if self._confirm is None or not any(update.changes_genres for update in items):
            self._counts.update(_outcome(update) for update in items)
            return True
        choice, genres = self._confirm(updates)
        if choice == "quit":
            return False
        if choice == "skip":
            self._counts["skipped"] += len(items)
            return True
        rules = self._predictor.rules
        for update in updates:
            has_none = choice == "accept" and not update.given
            is_open = rules.are_missing(update.obj.genres) and not has_none
            decided = decide(update, choice, rules, genres) if is_open else update
            self._apply(decided, _OUTCOMES.get(choice))
        return True

    def _apply_all(self, updates: Iterable[Update], outcome: str | None = None) -> None:
        for update in updates:
            self._apply(update, outcome)

    def _apply(self, update: Update, outcome: str | None = None) -> None:
        """Show or make a change. outcome: what it counts as, by default that of the update."""
        outcome = outcome or _outcome(update)
        if self._options.pretend:
            self._show(update)
        else:
            with self._writer.lock():
                if not self._change(update):
                    return
        self._counts[outcome if isinstance(update.obj, Item) else "albums"] += 1

    def _show(self, update: Update) -> None:
        """Show the changes of genres or, if beets is verbose, of all fields."""
        old = update.obj
        new = old.copy()
        replace_values(new, update.values)
        if not self._options.quiet:
            if beets_config["verbose"].get(int):
                show_changes(old, new)
            else:
                ui.show_model_changes(new, old, [GENRES, *(own.value for own in update.others)])
        if isinstance(old, Item) and update.changes_genres:
            self._summary.add_change(old.genres, new.genres)

    def _change(self, update: Update) -> bool:
        """Make a change; return whether all of it could be made."""
        if self._writer.is_stale(update.obj):
            self._skip_stale(update)
            return False
        if not (self._options.quiet or self._confirm):
            with self._bar.hidden():
                ui.print_(describe(update))
        return self._write(update, self._make) is not None

    def _make(self, update: Update) -> list[str]:
        return self._writer.make(update, write=self._writes)

    def _rewrite(self, item: Item) -> None:
        """Write the tags of a track that was classified earlier, if they are to be written."""
        if not (self._options.write or (self._writes and self._writer.is_write_pending(item))):
            return
        with nullcontext() if self._options.pretend else self._writer.lock():
            now = reload(item)
            if not isinstance(now, Item) or not self._predictor.is_current(now):
                return
            write = self._writer.preview if self._options.pretend else self._writer.write
            changes = self._write(self._writer.rewrite_of(now), write)
            if changes and self._options.pretend and not self._options.quiet:
                ui.print_(f"{now}: tags to write: {', '.join(changes)}")

    def _write(self, update: Update, write: Callable[[Update], list[str]]) -> list[str] | None:
        """Write the tags of a track; return the names of those that change, None if it fails."""
        try:
            changes = write(update)
        except (UnreadableFileError, OSError) as exc:
            self._fail(f"{displayable_path(update.obj.path)}: {reason(exc)}")
            return None
        self._counts["files"] += bool(changes)
        return changes

    def _skip_stale(self, update: Update) -> None:
        self._counts["skipped"] += isinstance(update.obj, Item)
        path = displayable_path(update.obj.path)
        self._warn(f"{path}: skipped: changed by another command in the meantime")

    def _skip(self, items: Sequence[Item]) -> None:
        self._summary.skipped += len(items)
        self._counts["skipped"] += len(items)
        self._bar.advance(len(items))

    def _skip_unplaced(self, item: Item) -> None:
        self._counts["skipped"] += 1
        self._warn(
            f"{displayable_path(item.path)}: skipped until its import has placed the file; if it "
            "was interrupted, import it again"
        )
        self._bar.advance()

    def _fail(self, message: str) -> None:
        self._counts["failed"] += 1
        with self._bar.hidden():
            self._log.error("{}", message)

    def _warn(self, message: str) -> None:
        with self._bar.hidden():
            self._log.warning("{}", message)


def _keep_emptied(update: Update) -> Update:
    """Return an update that leaves genres empty that were emptied after the plugin had set them."""
    return update.with_genres([]) if update.before.was_emptied else update


def _outcome(update: Update) -> str:
    if not update.given:
        return "abstained"
    return "updated" if update.changes_genres else "unchanged"
