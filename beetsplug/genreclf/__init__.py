"""Names the genre of each track from its sound, on import and by `beet genreclf`.

Wiring only: what beets calls, and what goes into its database. Hearing the genre is the work of
`genremodel`, which is imported when the first track is classified, because every `beet` command
pays for what a plugin imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from beets import config, ui
from beets.exceptions import UserError
from beets.library import Item, Library
from beets.plugins import BeetsPlugin
from beets.util import displayable_path
from mediafile import UnreadableFileError

from beetsplug.genreclf import fields
from beetsplug.genreclf.compat import mend_update
from beetsplug.genreclf.tags import write_prediction

if TYPE_CHECKING:
    from beets.dbcore.types import Type
    from beets.importer import ImportSession, ImportTask

    from genremodel import Classifier, Prediction


class Options(Protocol):
    """The options of `beet genreclf`."""

    force: bool
    pretend: bool
    write: bool | None


class GenreClfPlugin(BeetsPlugin):
    """The import stage, the command, and the fields that both set through one method."""

    item_types: ClassVar[dict[str, Type[Any, Any]]] = fields.TYPES
    album_types: ClassVar[dict[str, Type[Any, Any]]] = fields.TYPES

    def __init__(self) -> None:
        super().__init__()
        self.config.add(
            {"auto": True, "write": "auto", "windows": 10, "vote": "majority", "knn": False}
        )
        for name, field in fields.MEDIA_FIELDS.items():
            self.add_media_field(name, field)
        mend_update()
        # Genres given in this import, by the item's id: their tags are written once the files
        # have been placed.
        self._given: dict[int | None, list[str]] = {}
        self._unsaid: list[str] = []
        if self.config["auto"].get(bool):
            self.import_stages = [self.imported]
            self.register_listener("import_begin", self.import_began)
            self.register_listener("import_task_files", self.files_placed)
            self.register_listener("import", self.import_ended)
        self.register_listener("write", self.item_written)

    def commands(self) -> list[ui.Subcommand]:
        """Return `beet genreclf`."""
        command = ui.Subcommand("genreclf", help="name the genre of tracks from their sound")
        # fmt: off
        command.parser.add_option(
            "-f", "--force", action="store_true", default=False,
            help="classify tracks again that have a prediction",
        )
        command.parser.add_option(
            "-p", "--pretend", action="store_true", default=False,
            help="show predictions, but change nothing",
        )
        command.parser.add_option(
            "-w", "--write", action="store_true", default=None, help="write tags to files",
        )
        command.parser.add_option(
            "-W", "--nowrite", action="store_false", dest="write", help="don't write tags to files",
        )
        # fmt: on
        command.func = self.command
        return [command]

    def command(self, lib: Library, options: Options, query: list[str]) -> None:
        """Classify the tracks of a query. Raises UserError at the end when one failed."""
        failures: list[str] = []

        def report(message: str) -> None:
            failures.append(message)
            self._say(message)

        write = self._writes() if options.write is None else options.write
        for item, genres in self._predicted(
            lib.items(query), report, force=options.force, pretend=options.pretend
        ):
            if write:
                self._write(item, genres, report)
        if failures:
            raise UserError("some tracks could not be classified or written")

    def import_began(self, session: ImportSession) -> None:
        """Load the model, and say what is wrong with it, before beets asks its first question."""
        self._load(self._say)

    def imported(self, session: ImportSession, task: ImportTask) -> None:
        """Set the fields before files are placed, so that path formats see them."""
        for item, genres in self._predicted(task.imported_items(), self._unsaid.append):
            self._given[item.id] = genres

    def files_placed(self, session: ImportSession, task: ImportTask) -> None:
        """Write the tags that beets has not written, into the library's files alone."""
        linked = session.config["link"].get(bool) or session.config["hardlink"].get(bool)
        always = self.config["write"].get() != "auto" and self._writes()
        for item in task.imported_items():
            genres = self._given.pop(item.id, None)
            if genres is not None and always and not linked:
                self._write(item, genres, self._unsaid.append)

    def import_ended(self, lib: Library, paths: list[bytes]) -> None:
        """Say what could not be done, now that no question is on the screen."""
        for message in dict.fromkeys(self._unsaid):
            self._say(message)
        self._unsaid.clear()

    def item_written(self, item: Item, path: bytes, tags: dict[str, Any]) -> None:
        """Adjust what beets is about to write into a file."""
        if item.id in self._given and not self._writes():
            for name in fields.MEDIA_FIELDS:
                tags.pop(name, None)
            if self._given[item.id]:
                tags.pop("genres", None)
        elif item.id and any(name not in tags for name in fields.MEDIA_FIELDS):
            # `beet modify FIELD!`: the database still has it, and the file's tag must go as well.
            stored = item.get_fresh_from_db()
            for name in fields.MEDIA_FIELDS:
                if name not in tags and stored.get(name, with_album=False):
                    tags[name] = None

    def _predicted(
        self,
        items: Iterable[Item],
        report: Callable[[str], None],
        *,
        force: bool = False,
        pretend: bool = False,
    ) -> Iterator[tuple[Item, list[str]]]:
        """Classify tracks and store their fields; yield each with the genres that it was given."""
        from genremodel import AudioError

        classifier = self._load(report)
        if classifier is None:
            return
        for item in items:
            if not force and self._is_current(item, classifier):
                continue
            path = displayable_path(item.path)
            try:
                prediction = classifier.classify(item.filepath)
            except AudioError as exc:
                report(f"{path}: {exc}")
                continue
            self._log.info("{}: {}", path, _summary(prediction))
            if not pretend:
                genres = _apply(item, prediction)
                item.store()
                yield item, genres

    def _say(self, message: str) -> None:
        self._log.error("{}", message)

    def _load(self, report: Callable[[str], None]) -> Classifier | None:
        from genremodel import AssetError

        try:
            return self._classifier
        except (ImportError, AssetError) as exc:
            report(f"no model can be loaded: {exc}")
            return None

    @cached_property
    def _classifier(self) -> Classifier:
        from genremodel import Classifier

        classifier = Classifier(
            windows=self.config["windows"].get(int),
            vote=self.config["vote"].as_choice(("majority", "mean")),
            knn=self.config["knn"].get(bool),
        )
        if classifier.fallback:
            self._log.warning("using the KNN fallback: {}", classifier.fallback)
        return classifier

    def _is_current(self, item: Item, classifier: Classifier) -> bool:
        """Tell whether a track has a prediction that this model would not better.

        One read from a file counts only if the file also says which model made it; one by the CNN
        is not replaced by the fallback.
        """
        model = item.get(fields.MODEL, with_album=False)
        return model == classifier.model or (bool(model) and classifier.fallback is not None)

    def _writes(self) -> bool:
        """Tell whether tags are written to files when the command line does not say."""
        choice = self.config["write"].get()
        return ui.should_write() if choice == "auto" else self.config["write"].get(bool)

    def _write(self, item: Item, genres: list[str], report: Callable[[str], None]) -> None:
        values = {name: item.get(name, with_album=False) for name in fields.MEDIA_FIELDS}
        id3v23 = config["id3v23"].get(bool)
        try:
            known = item.current_mtime() <= item.mtime
            written = write_prediction(item.filepath, values, genres, id3v23=id3v23)
            if written and known:  # else `beet update` has more to read than what we wrote
                item.mtime = item.current_mtime()
                item.store()
        except (UnreadableFileError, OSError) as exc:
            report(f"{displayable_path(item.path)}: {exc}")


def _apply(item: Item, prediction: Prediction) -> list[str]:
    """Set the fields of a track, its genres only if it has none; return the genres it was given."""
    confidence = prediction.confidence
    item[fields.GENRE] = prediction.genre or ""
    item[fields.CONFIDENCE] = (
        None if confidence is None else round(confidence, fields.CONFIDENCE_DIGITS)
    )
    item[fields.MODEL] = prediction.model
    item[fields.REASON] = prediction.reason or ""
    if item.genres or prediction.genre is None:
        return []
    item.genres = [prediction.genre]
    return [prediction.genre]


def _summary(prediction: Prediction) -> str:
    verdict = prediction.genre or f"no genre, {prediction.reason}"
    confidence = "" if prediction.confidence is None else f" ({prediction.confidence:.3f})"
    return verdict + confidence
