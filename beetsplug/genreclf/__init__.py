"""Names the genre of each track from its sound, on import and by `beet genreclf`.

Wiring only: what beets calls. Hearing the genre is the work of `genremodel`, which is imported when
the first track is classified, because every `beet` command pays for what a plugin imports.
"""

from __future__ import annotations

import atexit
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import beets
from beets import ui
from beets.exceptions import UserError
from beets.library import Item, Library
from beets.plugins import BeetsPlugin
from beets.util import displayable_path
from confuse import ConfigError
from mediafile import MediaFile, UnreadableFileError

from beetsplug.genreclf import cli, fields, queries
from beetsplug.genreclf.compat import PATCHES, apply_patches
from beetsplug.genreclf.config import DEFAULTS, Config
from beetsplug.genreclf.listeners import contained, reentrant
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import IN_MEMORY, Journal, JournalError
from beetsplug.genreclf.storage.paths import library_file
from beetsplug.genreclf.storage.tag_file import reason
from beetsplug.genreclf.storage.tag_writer import TagWriter
from beetsplug.genreclf.storage.values import same
from beetsplug.genreclf.tagging import Tagger, Update, record_write

if TYPE_CHECKING:
    from beets.dbcore.types import Type
    from beets.importer import ImportSession, ImportTask

# What an import may do with files: where none is set, they stay where they are.
_PLACING = ("copy", "move", "link", "hardlink", "reflink")


@contextmanager
def _told() -> Iterator[None]:
    """Tell the user of a journal that cannot be read or written, and how to go on."""
    try:
        yield
    except JournalError as exc:
        raise UserError(str(exc)) from exc
    except sqlite3.OperationalError as exc:  # another program holds the library
        raise UserError(f"the library cannot be changed: {exc}") from exc
    except KeyboardInterrupt as exc:
        raise UserError("interrupted; the same command goes on where it stopped") from exc


class GenreClfPlugin(BeetsPlugin):
    """The import stage, the commands, and the fields that they set."""

    item_types: ClassVar[dict[str, Type[Any, Any]]] = fields.TYPES
    album_types: ClassVar[dict[str, Type[Any, Any]]] = fields.TYPES
    item_queries: ClassVar[dict[str, Any]] = queries.ITEM_QUERIES
    album_queries: ClassVar[dict[str, Any]] = queries.ALBUM_QUERIES

    def __init__(self) -> None:
        super().__init__()
        for name, field in fields.MEDIA_FIELDS.items():
            if name in vars(MediaFile):  # added by another instance in this process
                Item._media_fields.add(name)
            else:
                self.add_media_field(name, field)
        apply_patches(PATCHES, self._log)
        self._writer = TagWriter()
        self._journals: dict[Any, Journal] = {}  # by the path of their library, if it is a file
        # Of the import in progress: its tagger, the updates whose tags are written once the files
        # have been placed, by the ids of their tracks, and what is said when it has ended.
        self._tagger: Tagger | None = None
        self._importing = False
        self._placing: dict[int | None, Update] = {}
        self._unplaced: dict[int | None, bytes] = {}
        self._unsaid: list[str] = []
        self._unwritable_journal = False  # reported once
        if self._options["auto"].get() is not False:
            self.early_import_stages = [self.added]
            self.import_stages = [self.imported]
            self.register_listener("import_task_files", self.files_placed)
        self.register_listener("import_begin", self.import_began)
        self.register_listener("import", self.import_ended)
        self.register_listener("library_opened", self.files_recovered)
        self.register_listener("write", self.item_written)
        self.register_listener("item_moved", self.file_followed)
        self.register_listener("item_copied", self.file_followed)
        self.register_listener("item_linked", self.file_followed)
        self.register_listener("item_hardlinked", self.file_followed)
        self.register_listener("item_reflinked", self.file_followed)

    @property
    def _options(self) -> Any:
        """The configuration, with the defaults also after it was cleared in this process."""
        if DEFAULTS.keys() - self.config.keys():
            self.config.add(DEFAULTS)
        return self.config

    def commands(self) -> list[ui.Subcommand]:
        """Return `beet genreclf` and its companions."""
        return [
            cli.tag_command(self.tag),
            cli.undo_command(self.undo),
            cli.explain_command(self.explain),
            cli.cache_command(self.cache),
            cli.learn_command(self.learn),
            cli.similar_command(self.similar),
        ]

    def tag(self, lib: Library, options: cli.TagOptions, query: list[str]) -> None:
        """Classify the tracks of a query."""
        from beetsplug.genreclf.commands.classify import Mode, Retag
        from beetsplug.genreclf.commands.review import Suggest

        _one_of({"--suggest": options.suggest, "--pretend": options.pretend})
        if options.suggest and self._options["genres"].get() == "never":
            raise UserError("there is nothing to suggest with genreclf.genres: never")

        mode = Mode(
            force=options.force,
            pretend=options.pretend,
            write=self._writes() if options.write is None else options.write,
            rewrite=bool(options.write),
            quiet=options.quiet or options.suggest,  # which shows everything before
        )
        hearing = self._hearing(lib, "genreclf", cached=options.cache, retry=options.force)
        with _told(), hearing as tagger:
            command = Suggest if options.suggest else Retag
            if command(tagger, self._log, mode).run(lib, query):
                self._fail("some tracks could not be classified or written")

    def undo(self, lib: Library, options: cli.UndoOptions, query: list[str]) -> None:
        """Take back what the plugin changed on the tracks of a query."""
        from beetsplug.genreclf.commands import undo

        by_run = options.run is not None
        forget = options.forget_older_than is not None
        alone = {"--list": options.list, "--forget-older-than": forget}
        _one_of({**alone, "--last": options.last, "--run": by_run})
        _one_of({**alone, "a query": query})
        journal = self._journal_of(lib)
        self.register_listener("cli_exit", self.marker_cleared)
        with _told():
            if options.list:
                undo.show_runs(journal, self._log)
            elif options.forget_older_than is not None:
                undo.forget_older_than(journal, options.forget_older_than, self._log)
            else:
                run = undo.last_run(lib, journal) if options.last else options.run
                if not undo.undo(lib, query, journal, run, self._writer, self._log):
                    self._fail("some tracks could not be restored")

    def explain(self, lib: Library, options: cli.ExplainOptions, query: list[str]) -> None:
        """Show why the tracks of a query have their predicted genre."""
        from beetsplug.genreclf.commands.explain import explain

        with _told(), self._hearing(lib, "genreclf-explain") as tagger:
            if not explain(lib, query, tagger, self._log, as_json=options.json, plot=options.plot):
                self._fail("some tracks could not be explained")

    def cache(self, lib: Library, options: cli.CacheOptions, query: list[str]) -> None:
        """Show, prune or clear the cache of analyses."""
        from beetsplug.genreclf.commands.cache import tend

        _one_of({"--prune": options.prune, "--clear": options.clear})
        if query:
            raise UserError("the cache is of all tracks: it takes no query")
        with self._hearing(lib, "genreclf-cache", cached=False, bundled=True) as tagger:
            tend(_cache_file(), tagger.classifier, prune=options.prune, clear=options.clear)

    def learn(self, lib: Library, options: cli.LearnOptions, query: list[str]) -> None:
        """Learn the genres of the tracks of a query."""
        from beetsplug.genreclf.commands.train import Learning, show_models
        from beetsplug.genreclf.loading import describe_model_error
        from genremodel.custom.store import ModelStore
        from genremodel.errors import ModelError

        forget = options.forget is not None
        _one_of({"--list": options.list, "--forget": forget, "a query": query})
        models = ModelStore(_models_folder(lib))
        try:
            if options.list:
                if not show_models(models, self._log):
                    self._fail("some models cannot be read")
            elif options.forget is not None:
                models.delete(options.forget)
            else:
                with _told(), self._networks(lib, "genreclf-learn") as tagger:
                    if Learning(tagger, self._log, options).run(lib, query, models):
                        self._fail("some tracks could not be heard")
        except ModelError as exc:
            raise UserError(describe_model_error(exc)) from exc

    def similar(self, lib: Library, options: cli.SimilarOptions, query: list[str]) -> None:
        """List the tracks that sound like those of a query."""
        from beetsplug.genreclf.commands.similar import list_similar

        if not query:
            raise UserError("which tracks? beet genreclf-similar QUERY")
        with _told(), self._networks(lib, "genreclf-similar") as tagger:
            if not list_similar(lib, query, tagger, self._log, options):
                self._fail("some tracks could not be heard")

    @contained()
    def files_recovered(self, lib: Library) -> None:
        """Finish changes of files that were interrupted, before any command reads the files."""
        try:
            journal = self._journal_of(lib)
            redo_log = RedoLog(journal)
            if not redo_log.may_exist:
                return
            # Wait for the lock only if there is a change to finish. Another plugin may run `beet`
            # while it handles our write events, and this lock is then held by its parent process.
            if redo_log.exist:
                with journal.lock():
                    messages = redo_log.recover()
                for message in messages:
                    self._log.warning("{}", message)
            else:
                redo_log.tidy()
        except (JournalError, OSError) as exc:
            self._log.warning("interrupted changes of files cannot be finished: {}", exc)

    @contained()
    def marker_cleared(self, lib: Library) -> None:
        """Remove the marker of interrupted changes, so that the next command looks for none."""
        try:
            redo_log = RedoLog(self._journal_of(lib))
            if redo_log.may_exist:
                redo_log.tidy()
        except (JournalError, OSError) as exc:
            self._log.debug("the marker of interrupted changes cannot be removed: {}", exc)

    @contained(ConfigError)
    def import_began(self, session: ImportSession) -> None:
        """Load the model, unless `auto` is off, before beets asks its first question.

        A wrong configuration stops the import, which has done nothing yet; where no model can be
        loaded at all, tracks are imported without genres, and `beet genreclf` gives them later.
        """
        try:
            if self._options["auto"].get() is not False:
                self._tagger = self._load(session.lib, "import")
        except UserError as exc:
            self._log.error("{}", exc)
        self._importing = True
        atexit.register(self._end_import)  # if it is interrupted

    @contained()
    def added(self, session: ImportSession, task: ImportTask) -> None:
        """Record which files the import has yet to place in the library.

        Until then the paths in the database are those of the user's own files, which must not be
        written.
        """
        if self._tagger is None or not any(session.config[name].get() for name in _PLACING):
            return
        inside = os.path.join(session.lib.directory, b"")  # noqa: PTH118  # bytes
        tracks = [item for item in task.imported_items() if not item.path.startswith(inside)]
        try:
            if tracks:
                self._journal_of(session.lib).mark_placement_pending(
                    (t.path, t.added) for t in tracks
                )
            self._unplaced |= {track.id: track.path for track in tracks}
        except JournalError as exc:
            self._unsaid.append(str(exc))

    @contained()
    @reentrant
    def imported(self, session: ImportSession, task: ImportTask) -> None:
        """Set the fields before files are placed, so that path formats see them."""
        from beets.importer import Action

        tagger = self._tagger
        if tagger is None:
            return
        album = task.album if task.is_album else None
        tracks = task.imported_items()
        new = [track for track in tracks if not tagger.is_current(track)]
        # beets has just read these files. Fields that it sets itself, such as `comp`, make it look
        # as if it had not; `beet update` would read the files again and find no prediction.
        read = task.toppath is not None and task.choice_flag is Action.ASIS
        if album:
            tagger.part(album)
        try:
            heard = tagger.hear(new, self._unsaid.append)
            recalled = {track.id: tagger.recall(track) for track in tracks if track not in new}
            for update in tagger.updates(album, tracks, heard, recalled):
                with tagger.lock():
                    tagger.store(update, writes=self._always_writes())
                if isinstance(update.model, Item):
                    self._placing[update.model.id] = replace(update, synced=read or update.synced)
        except JournalError as exc:
            self._unsaid.append(str(exc))

    @contained()
    @reentrant
    def files_placed(self, session: ImportSession, task: ImportTask) -> None:
        """Write the tags that beets has not written, into the library's files alone."""
        linked = session.config["link"].get(bool) or session.config["hardlink"].get(bool)
        sources = [self._unplaced.pop(item.id, None) for item in task.imported_items()]
        try:
            if any(sources):
                self._journal_of(session.lib).clear_placement_pending(filter(None, sources))
        except JournalError as exc:
            self._unsaid.append(str(exc))
        for item in task.imported_items():
            update = self._placing.pop(item.id, None)
            if update is None or self._tagger is None:
                continue
            update = replace(update, model=item)
            try:
                if not self._writes():
                    self._tagger.reapply(update)
                if self._always_writes() and not linked:
                    with self._tagger.lock():
                        self._tagger.write(update)
                else:
                    self._tagger.settle(update)
            except (UnreadableFileError, OSError) as exc:
                self._unsaid.append(f"{displayable_path(item.path)}: {reason(exc)}")
            except JournalError as exc:
                self._unsaid.append(str(exc))
            except Exception as exc:  # the other files are to be written
                self.report_failure(displayable_path(item.path), exc)

    @contained()
    def import_ended(self, lib: Library, paths: list[bytes]) -> None:
        """Say what could not be done, now that no question is on the screen."""
        self._end_import()

    def _end_import(self) -> None:
        tagger, self._tagger = self._tagger, None
        self._importing = False
        self._placing.clear()
        self._unplaced.clear()
        if tagger:
            self._stop_hearing(tagger)
        for message in dict.fromkeys(self._unsaid):
            self._log.error("{}", message)
        self._unsaid.clear()

    @contained()
    def item_written(self, item: Item, path: bytes, tags: dict[str, Any]) -> None:
        """Adjust what beets is about to write into a file, and record it in the journal.

        beets writes whether or not it can be recorded. If it cannot, undo finds the tags changed.
        """
        if self._writer.is_sending or item.id is None or item._db is None:
            return
        update = self._placing.get(item.id)
        if update and not self._writes():
            for name in fields.MEDIA_FIELDS:
                tags.pop(name, None)
            if update.gives and same(tags.get(fields.GENRES), update.model.genres):
                tags[fields.GENRES] = update.before
        elif removed := fields.MEDIA_FIELDS.keys() - fields.own_values(item):
            # `beet modify FIELD!`: the database still has it, and the file's tag must go as well,
            # rather than become that of the album.
            stored = fields.own_values(fields.fresh(item) or item, removed)
            for name in removed:
                tags.pop(name, None)
                if stored.get(name):
                    tags[name] = None
        if path == item.path:
            try:
                record_write(self._journal_of(item.db), item, tags, update)
            except JournalError as exc:
                if not self._unwritable_journal:
                    self._unwritable_journal = True
                    self._report(f"{exc}; tags that beets writes are not recorded", logging.WARNING)
            except (UnreadableFileError, OSError):
                pass  # it cannot be written either, and beets says so

    @contained()
    def file_followed(self, item: Item, source: bytes, destination: bytes) -> None:
        """Know the sound of a file in its new place."""
        if not _cache_file().exists():
            return
        from genremodel.audio.digest import audio_digest
        from genremodel.batch.cache import Cache, FileState

        # If it fails, the file is found again by its audio.
        with Cache(_cache_file()) as cache, suppress(OSError):
            file = FileState.from_path(destination)
            moved = not os.path.exists(source)  # noqa: PTH110  # bytes
            before = replace(file, path=source) if moved else FileState.from_path(source)
            cache.relink_moved(before, file, lambda: audio_digest(destination))

    def report_failure(self, what: str, error: Exception) -> None:
        """Report an unexpected error. what: the file, or the handler that failed."""
        self._log.debug("{}", what, exc_info=error)
        self._report(f"{what}: {type(error).__name__}: {error}")

    def _report(self, message: str, level: int = logging.ERROR) -> None:
        """Report a problem. During an import this waits until no question can be on the screen."""
        if self._importing:
            self._unsaid.append(message)
        else:
            self._log.log(level, "{}", message)

    def _fail(self, message: str) -> None:
        """Let the exit status tell what failed, when every other plugin is done."""

        def command_ended(lib: Library | None = None) -> None:
            raise UserError(message)

        # Only now: plugins such as smartplaylist begin to listen when something changes.
        self.register_listener("cli_exit", command_ended)

    @contextmanager
    def _hearing(self, lib: Library, command: str, **options: bool) -> Iterator[Tagger]:
        """Load the model, see `_load`, and let go of it."""
        from genremodel.termination import exiting_on_sigterm

        with exiting_on_sigterm():
            tagger = self._load(lib, command, **options)
            try:
                yield tagger
            finally:
                self._stop_hearing(tagger)

    @contextmanager
    def _networks(self, lib: Library, command: str) -> Iterator[Tagger]:
        """Hear by the bundled networks, whatever the configuration says of models."""
        with self._hearing(lib, command, bundled=True) as tagger:
            if not tagger.classifier.uses_cnn:
                raise UserError("this cannot be done with the KNN fallback")
            yield tagger

    def _stop_hearing(self, tagger: Tagger) -> None:
        tagger.pool.close()
        for problem in tagger.pool.problems:
            self._log.warning("{}", problem)

    def _load(
        self,
        lib: Library,
        command: str,
        *,
        cached: bool = True,
        bundled: bool = False,
        retry: bool = False,
    ) -> Tagger:
        """Load the model. Raises UserError when there is none, confuse.ConfigError.

        bundled: not a learned one, whatever the configuration says. retry: tracks too that are
        known to have failed.
        """
        from beetsplug.genreclf.loading import load, load_bundled
        from genremodel.custom.store import ModelStore

        asked = Config.read(self._options)
        loaded = load_bundled(asked) if bundled else load(asked, ModelStore(_models_folder(lib)))
        classifier, settings, problem = loaded
        if problem:
            self._log.warning("{}", problem)
        pool = classifier.pool(
            workers=settings.threads,
            timeout=settings.timeout,
            cache=_cache_file() if cached else None,
            retry=retry,
        )
        journal = self._journal_of(lib)
        self.register_listener("cli_exit", self.marker_cleared)
        return Tagger(
            classifier, pool, settings, journal, self._writer, command, stands_in=bool(problem)
        )

    def _journal_of(self, lib: Library) -> Journal:
        journal = Journal.for_library(lib.path, self._warn)
        key = lib if journal.path == IN_MEMORY else lib.path
        return self._journals.setdefault(key, journal)

    def _warn(self, message: str) -> None:
        self._report(message, logging.WARNING)

    def _always_writes(self) -> bool:
        """Tell whether tags are written whether or not beets itself writes."""
        return self._options["write"].get() != "auto" and self._writes()

    def _writes(self) -> bool:
        """Tell whether tags are written to files when the command line does not say."""
        choice = self._options["write"].get()
        return ui.should_write() if choice == "auto" else bool(choice)  # `Config` checks it


def _one_of(given: Mapping[str, object]) -> None:
    """Raise UserError where more than one is given of what excludes each other."""
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        raise UserError(f"either {' or '.join(names)}")


def _models_folder(lib: Library) -> Path:
    return library_file(lib.path, ".genre-models")


def _cache_file() -> Path:
    return Path(beets.config.config_dir()) / "genreclf-cache.db"
