"""The plugin's part in `beet import`."""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from beets import config as beets_config
from beets import ui
from beets.exceptions import UserError
from beets.library import Album, Item
from beets.util import displayable_path
from confuse import ConfigError
from mediafile import UnreadableFileError

from beetsplug.genreclf.artist_votes import ArtistVotes
from beetsplug.genreclf.config import is_auto
from beetsplug.genreclf.fields import PREDICTED_GENRE, REVIEW
from beetsplug.genreclf.handlers import contained, reentrant
from beetsplug.genreclf.messages import count
from beetsplug.genreclf.planner import Planner
from beetsplug.genreclf.plugin_order import order_warning
from beetsplug.genreclf.storage.errors import JournalError
from beetsplug.genreclf.storage.objects import get_values, save
from beetsplug.genreclf.storage.tag_file import reason
from beetsplug.genreclf.updates import describe

if TYPE_CHECKING:
    from beets.importer import ImportSession, ImportTask
    from beets.library import Library

    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.updates import Predicted, Update

# What an import may do with files: where none is set, they stay where they are.
_PLACING = ("copy", "move", "link", "hardlink", "reflink")
_ABSTENTIONS = "beet ls genre_model::. predicted_genre::^$"


class ImportStage:
    """Predicts the genres of the tracks of one import, and writes their tags.

    Problems are reported when the import has ended. beets calls the methods in this order for each
    task, but in threads of their own.
    """

    def __init__(self, context: Context, lib: Library, predictor: Predictor) -> None:
        self._context = context
        self._predictor = predictor
        self._config = predictor.config
        self._journal = context.journal(lib)
        self._planner = Planner(predictor, self._journal)
        self._votes = ArtistVotes(lib, predictor) if self._config.scope == "artist" else None
        self._writer = context.writer(lib, predictor, "import")
        self._planned: dict[int | None, Update] = {}  # until their files are placed, by track ids
        self._unplaced: dict[int | None, bytes] = {}
        self._analyzed = 0
        self._with_genre = 0

    def expect_placing(self, session: ImportSession, task: ImportTask) -> None:
        """Record which files the import has yet to place in the library.

        Until then the paths in the database are those of the user's own files, which must not be
        written.
        """
        if not any(session.config[name].get() for name in _PLACING):
            return
        inside = os.path.join(session.lib.directory, b"")  # noqa: PTH118  # bytes
        items = [item for item in task.imported_items() if not item.path.startswith(inside)]
        if items:
            self._journal.mark_placement_pending((item.path, item.added) for item in items)
        self._unplaced |= {item.id: item.path for item in items}

    def classify(self, task: ImportTask) -> None:
        """Set the fields in the database, before path formats are evaluated."""
        from beets.importer import Action

        self._keep_decided(task)
        album = task.album if task.is_album else None
        items = [item for item in task.imported_items() if not self._config.skips(item)]
        new = [item for item in items if not self._predictor.is_current(item)]
        # beets has just read these files. Fields that it sets itself, such as `comp`, make it look
        # as if it had not; `beet update` would read the files again and find no prediction.
        was_read = task.toppath is not None and task.choice_flag is Action.ASIS
        if album:
            self._writer.split_journal_id(album)
        predicted = self._predict(items, new)
        analyzed = predicted.keys() & {item.id for item in new}
        by_artist = self._votes.predict(album, items, predicted) if self._votes else None
        for update in self._planner.plan(album, items, predicted, by_artist):
            with self._writer.lock():
                self._writer.store(update, tags_follow=self._config.always_writes())
            self._log(update)
            item = update.obj
            if isinstance(item, Item):
                if item.id in analyzed:
                    self._analyzed += 1
                    self._with_genre += update.values[PREDICTED_GENRE] is not None
                self._planned[item.id] = update.with_item(item, was_synced=was_read or None)

    def _predict(self, items: Sequence[Item], new: Sequence[Item]) -> dict[int | None, Predicted]:
        """Return the predictions of tracks by their ids.

        new: those that get a new prediction of their genre. Others have one, but may lack
        predictions of other fields.
        """
        current = [item for item in items if item not in new]
        lacking = filter(self._predictor.lacks_others, current)
        predicted = self._predictor.predict([*new, *lacking], self._context.report)
        for item in current:
            others = predicted[item.id].others if item.id in predicted else {}
            predicted[item.id] = replace(self._predictor.recall(item), others=others)
        return predicted

    def _keep_decided(self, task: ImportTask) -> None:
        """Keep the genres that the user has decided on, where tracks are imported again.

        beets has read others, from the file or from its source of metadata.
        """
        replaced = getattr(task, "replaced_items", {})
        again: list[tuple[Item | Album, Item | Album]] = [
            (item, old) for item in task.imported_items() for old in replaced.get(item, ())
        ]
        if task.is_album and (album := task.replaced_albums.get(task.album.path)):
            again.append((task.album, album))
        for obj, old in again:
            if get_values(obj).get(REVIEW) and obj.genres != old.genres:
                obj.genres = old.genres
                save(obj)

    def write_tags(self, session: ImportSession, task: ImportTask) -> None:
        """Write the tags that beets has not written, into the files of the library alone."""
        linked = session.config["link"].get(bool) or session.config["hardlink"].get(bool)
        writes = self._config.always_writes() and not linked
        self._forget_placing(task)
        for item in task.imported_items():
            update = self._planned.pop(item.id, None)
            if update is None:
                continue
            try:
                self._finish(update.with_item(item), writes=writes)
            except (UnreadableFileError, OSError) as exc:
                self._context.report(f"{displayable_path(item.path)}: {reason(exc)}")
            except JournalError as exc:
                self._context.report(str(exc))
            except Exception as exc:  # the other files are to be written
                self._context.report_failure(displayable_path(item.path), exc)

    def pending_update(self, item: Item) -> Update | None:
        """Return the update of a track whose file has not been placed yet."""
        return self._planned.get(item.id)

    def show_summary(self) -> None:
        """Print how many tracks were analyzed, and how to list those without a genre."""
        if self._analyzed:
            without = self._analyzed - self._with_genre
            hint = f": {_ABSTENTIONS}" if without else ""
            ui.print_(
                f"{count(self._analyzed, 'track')} analyzed, {self._with_genre} with a genre, "
                f"{without} without{hint}"
            )

    def close(self) -> None:
        """Stop the workers."""
        self._context.close_predictor(self._predictor)

    def _log(self, update: Update) -> None:
        # Not by the level of the logger, which is not that of import stages, see `reentrant`.
        verbosity = beets_config["verbose"].get(int)
        if isinstance(update.obj, Album) and verbosity >= 1:
            self._context.log.info("{}", describe(update))
        elif isinstance(update.obj, Item) and verbosity >= 2:
            self._context.log.debug("{}", describe(update))

    def _finish(self, update: Update, *, writes: bool) -> None:
        if not self._config.writes():
            self._writer.restore_lost(update)
        if writes:
            with self._writer.lock():
                self._writer.write(update)
        else:
            self._writer.mark_synced(update)

    def _forget_placing(self, task: ImportTask) -> None:
        placed = [self._unplaced.pop(item.id, None) for item in task.imported_items()]
        try:
            if any(placed):
                self._journal.clear_placement_pending(filter(None, placed))
        except JournalError as exc:
            self._context.report(str(exc))


class ImportListeners:
    """Gives every import an `ImportStage`, unless `auto` is off or no model can be loaded."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._log = context.log
        self._stage: ImportStage | None = None

    @contained(ConfigError)
    def begin(self, session: ImportSession) -> None:
        """Load the model before beets asks its first question.

        An invalid configuration stops the import before it does anything. If no model can be
        loaded, tracks are imported without genres, and `beet genreclf` can classify them later.
        """
        try:
            if is_auto(self._context.options):
                predictor = self._context.load_predictor(session.lib, stops_early=True)
                self._stage = ImportStage(self._context, session.lib, predictor)
                if warning := order_warning(predictor.config.policy):
                    self._log.warning("{}", warning)
        except UserError as exc:
            self._log.error("{}", exc)
        self._context.defer_reports()
        atexit.register(self._end)  # if it is interrupted

    @contained()
    def added(self, session: ImportSession, task: ImportTask) -> None:
        """Handle the early import stage."""
        if self._stage:
            try:
                self._stage.expect_placing(session, task)
            except JournalError as exc:
                self._context.report(str(exc))

    @contained()
    @reentrant
    def imported(self, session: ImportSession, task: ImportTask) -> None:
        """Handle the import stage."""
        if self._stage:
            from genremodel.errors import ClusterError  # slow to import

            try:
                self._stage.classify(task)
            except JournalError as exc:
                self._context.report(str(exc))
            except ClusterError as exc:
                self._context.report(f"{exc}; `beet genreclf` classifies the remaining tracks")

    @contained()
    @reentrant
    def files_placed(self, session: ImportSession, task: ImportTask) -> None:
        """Handle the files of a task, which are in the library now."""
        if self._stage:
            self._stage.write_tags(session, task)

    @contained()
    def end(self, lib: Library, paths: list[bytes]) -> None:
        """Report the results and problems, now that no question is on the screen."""
        if self._stage and not beets_config["import"]["quiet"].get(bool):
            self._stage.show_summary()
        self._end()

    def pending_update(self, item: Item) -> Update | None:
        """Return the update of a track that is being imported and not yet placed."""
        return self._stage.pending_update(item) if self._stage else None

    def report_failure(self, what: str, error: Exception) -> None:
        """Report an unexpected error in a handler."""
        self._context.report_failure(what, error)

    def _end(self) -> None:
        stage, self._stage = self._stage, None
        atexit.unregister(self._end)
        if stage:
            stage.close()
        self._context.release_reports()
