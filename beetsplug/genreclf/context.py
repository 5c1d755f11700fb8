"""The parts of the plugin that its commands, its import stage and its event handlers share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beets.exceptions import UserError

from beetsplug.genreclf.config import DEFAULTS, Config, default_cache_file
from beetsplug.genreclf.handlers import contained
from beetsplug.genreclf.storage.errors import JournalError
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.journal_database import IN_MEMORY
from beetsplug.genreclf.storage.library_spellings import LibrarySpellings
from beetsplug.genreclf.storage.paths import models_folder
from beetsplug.genreclf.storage.tag_writer import TagWriter
from beetsplug.genreclf.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    from beets.library import Library

    from beetsplug.genreclf.loading import Loaded
    from beetsplug.genreclf.predictor import Predictor
    from genremodel.batch.pool import Pool

Register = Callable[[Any, Callable[..., None]], None]


class Context:
    """Configuration, journals, models and messages of one instance of the plugin.

    view: the plugin's section of the configuration. register: of a listener, by its event.
    """

    def __init__(self, view: Any, log: logging.Logger, register: Register) -> None:
        self.log = log
        self.tag_writer = TagWriter()
        self._view = view
        self._register = register
        self._journals: dict[Any, Journal] = {}  # by the path of their library, if it is a file
        self._deferred: list[tuple[int, str]] | None = None  # messages, during an import

    @property
    def options(self) -> Any:
        """The configuration, with the defaults also after it was cleared in this process."""
        if DEFAULTS.keys() - self._view.keys():
            self._view.add(DEFAULTS)
        return self._view

    def config(self) -> Config:
        """Return the configuration. Raises confuse.ConfigError where it is not valid."""
        return Config.read(self.options)

    def cache_file(self, config: Config) -> Path:
        """Return the analysis cache, in a folder that exists unless the user configured it."""
        if config.cache == default_cache_file():
            with suppress(OSError):  # the cache reports a folder that does not exist
                config.cache.parent.mkdir(parents=True, exist_ok=True)
        return config.cache

    def journal(self, lib: Library) -> Journal:
        """Return the journal of a library."""
        journal = Journal.for_library(lib.path, self._warn)
        key = lib if journal.path == IN_MEMORY else lib.path
        return self._journals.setdefault(key, journal)

    def writer(self, lib: Library, predictor: Predictor, command: str) -> Writer:
        """Return a writer for the changes of a command or an import."""
        return Writer(self.journal(lib), self.tag_writer, predictor, command)

    @contextmanager
    def predictor(self, lib: Library, **options: bool) -> Iterator[Predictor]:
        """Load the model, see `load_predictor`; stop its workers afterwards."""
        from genremodel.termination import exiting_on_sigterm

        with exiting_on_sigterm():
            predictor = self.load_predictor(lib, **options)
            try:
                yield predictor
            finally:
                self.close_predictor(predictor)

    @contextmanager
    def cnn_predictor(self, lib: Library) -> Iterator[Predictor]:
        """Load the bundled CNN, whichever model is configured. Raises UserError."""
        with self.predictor(lib, bundled=True) as predictor:
            if not predictor.classifier.uses_cnn:
                reason = predictor.classifier.fallback_reason
                problem = f"which could not be loaded: {reason}" if reason else "not `backend: knn`"
                raise UserError(f"this command needs the CNN, {problem}")
            yield predictor

    def load_predictor(
        self,
        lib: Library,
        *,
        cached: bool = True,
        bundled: bool = False,
        retry: bool = False,
        stops_early: bool = False,
    ) -> Predictor:
        """Load the models. Raises UserError when there is none, confuse.ConfigError.

        cached: use the analysis cache. bundled: load the bundled model alone, regardless of the
        configuration. retry: analyze files again that could not be analyzed. stops_early: with
        `windows: auto`, analyze only the first windows of a track if they are enough.
        """
        loaded = self._load(lib, bundled=bundled, stops_early=stops_early)
        config = loaded.config
        pool = loaded.classifier.pool(
            workers=config.threads,
            timeout=config.timeout,
            cache=self.cache_file(config) if cached else None,
            retry=retry,
            cluster=config.cluster,
        )
        self.clear_marker_at_exit()
        return self._predictor(lib, loaded, pool)

    def reload_predictor(self, lib: Library, pool: Pool, *, bundled: bool = False) -> Predictor:
        """Load the model as it is stored now, for a pool that is already at work.

        Raises as `load_predictor` does.
        """
        return self._predictor(lib, self._load(lib, bundled=bundled), pool)

    def _load(self, lib: Library, *, bundled: bool, stops_early: bool = False) -> Loaded:
        from beetsplug.genreclf.loading import load, load_bundled
        from genremodel.custom.store import ModelStore

        config = self.config()
        if config.windows == "auto" and (config.other_models or not stops_early):
            config = replace(config, windows=DEFAULTS["windows"])
        loaded = load_bundled(config) if bundled else load(config, ModelStore(models_folder(lib)))
        if loaded.problem:
            self.log.warning("{}", loaded.problem)
        elif reason := loaded.classifier.fallback_reason:
            self.log.debug("using the NumPy runtime: {}", reason)
        return loaded

    def _predictor(self, lib: Library, loaded: Loaded, pool: Pool) -> Predictor:
        from beetsplug.genreclf.predictor import Predictor

        return Predictor(
            loaded.classifier,
            pool,
            loaded.config,
            LibrarySpellings(lib, self.journal(lib)).find,
            others=loaded.others,
            is_substitute=bool(loaded.problem),
        )

    def close_predictor(self, predictor: Predictor) -> None:
        """Stop the workers of a predictor, and report problems that they had."""
        predictor.pool.close()
        for problem in predictor.pool.problems:
            self.log.warning("{}", problem)

    def clear_marker_at_exit(self) -> None:
        """Remove the marker of interrupted changes when beets exits, unless there are any."""
        self._register("cli_exit", self.clear_marker)

    @contained()
    def clear_marker(self, lib: Library) -> None:
        """Remove the marker of interrupted changes, unless there are any."""
        try:
            redo_log = RedoLog(self.journal(lib))
            if redo_log.has_marker:
                redo_log.clear_marker_if_free()
        except (JournalError, OSError) as exc:
            self.log.debug("the marker of interrupted changes cannot be removed: {}", exc)

    def show_summary(self, text: str) -> None:
        """Log the summary of a command, also if a signal has interrupted it."""
        # beets raises the level for listeners, and may not restore it then.
        self.log.setLevel(logging.NOTSET)
        self.log.info("{}", text)

    def fail(self, message: str) -> None:
        """Exit with status 1 and a message after all other plugins have finished."""

        def command_ended(lib: Library | None = None) -> None:
            raise UserError(message)

        # Only now: plugins such as smartplaylist begin to listen when something changes.
        self._register("cli_exit", command_ended)

    def report(self, message: str, level: int = logging.ERROR) -> None:
        """Report a problem. During an import this waits until no question can be on the screen."""
        if self._deferred is None:
            self.log.log(level, "{}", message)
        else:
            self._deferred.append((level, message))

    def _warn(self, message: str) -> None:
        self.report(message, logging.WARNING)

    def report_failure(self, what: str, error: Exception) -> None:
        """Report an unexpected error. what: the file, or the handler that failed."""
        self.log.debug("{}", what, exc_info=error)
        self.report(f"{what}: {type(error).__name__}: {error}")

    def defer_reports(self) -> None:
        """Keep messages of problems until `release_reports`."""
        self._deferred = self._deferred or []

    def release_reports(self) -> None:
        """Report the problems that have been kept, each once."""
        deferred, self._deferred = self._deferred or [], None
        for level, message in dict.fromkeys(deferred):
            self.log.log(level, "{}", message)
