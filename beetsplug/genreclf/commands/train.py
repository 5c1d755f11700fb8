"""The `genreclf-train` command: train a model on the genres of tracks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from functools import partial
from logging import Logger
from typing import TYPE_CHECKING, Protocol

from beets import ui
from beets.exceptions import UserError
from beets.library import Library

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands import exclusive, user_errors
from beetsplug.genreclf.commands._models import (
    comparison,
    export_model,
    how_to_use,
    install_model,
    list_models,
)
from beetsplug.genreclf.commands._printing import print_rich
from beetsplug.genreclf.commands._progress import Bar, is_terminal
from beetsplug.genreclf.commands._selection import NO_MATCHES, has_matches, matching_items
from beetsplug.genreclf.custom_training import (
    DEFAULT_MIN_TRACKS,
    DEFAULT_NAME,
    LabelCollector,
    LabeledTracks,
    objection,
    require_scikit_learn,
    train_model,
)
from beetsplug.genreclf.sources import why_not
from beetsplug.genreclf.storage.paths import models_folder

if TYPE_CHECKING:
    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.storage.journal import Journal
    from genremodel.custom.custom_model import CustomModel, ModelInfo
    from genremodel.custom.report import TrainingReport
    from genremodel.custom.store import ModelStore

_MODES = ("delete", "export", "install")  # options that train nothing
_SHOWN = 10  # skipped labels


class TrainOptions(Protocol):
    """The options of `beet genreclf-train`."""

    album: bool
    name: str | None
    field: str
    min_tracks: int
    force: bool
    linear: bool
    list: bool
    delete: str | None
    export: str | None
    install: str | None


def command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-train`."""
    train = ui.Subcommand("genreclf-train", help="train a model on the genres of your tracks")
    train.parser.add_option(
        "-n",
        "--name",
        default=None,
        help=f"name of the model (default: {DEFAULT_NAME}, or that of another field or file)",
    )
    train.parser.add_option(
        "--field",
        default="genres",
        help="field to take the genres from (default: %default)",
    )
    train.parser.add_option(
        "--min-tracks",
        type="int",
        default=DEFAULT_MIN_TRACKS,
        metavar="N",
        help="skip genres with fewer tracks (default: %default)",
    )
    train.parser.add_option(
        "-f",
        "--force",
        action="store_true",
        default=False,
        help="save the model despite warnings",
    )
    train.parser.add_option(
        "--linear",
        action="store_true",
        default=False,
        help="train a linear model, which can be exported",
    )
    train.parser.add_option(
        "--list",
        action="store_true",
        default=False,
        help="list the models",
    )
    train.parser.add_option(
        "--delete",
        default=None,
        metavar="NAME",
        help="delete a model",
    )
    train.parser.add_option(
        "--export",
        default=None,
        metavar="FILE",
        help="write a model to a file for other people: NAME.genremodel",
    )
    train.parser.add_option(
        "--install",
        default=None,
        metavar="FILE",
        help="install a model that was exported",
    )
    train.parser.add_album_option()
    train.func = partial(_run, context)
    return train


def _run(context: Context, lib: Library, options: TrainOptions, query: list[str]) -> None:
    from beetsplug.genreclf.loading import describe_model_error
    from genremodel.custom.store import ModelStore
    from genremodel.errors import ModelError

    default = DEFAULT_NAME if options.field == fields.GENRES else options.field
    name = default if options.name is None else options.name
    given = {f"--{mode}": getattr(options, mode) is not None for mode in _MODES}
    exclusive({"--list": options.list, **given, "a query": query})
    models = ModelStore(models_folder(lib))
    try:
        if options.list:
            if not list_models(models, context.log):
                context.fail("some models cannot be read")
        elif options.delete is not None:
            models.delete(options.delete)
            ui.print_(f"deleted {options.delete}")
        elif options.export is not None:
            export_model(models, name, options.export, context.log)
        elif options.install is not None:
            with user_errors(), context.journal(lib).lock():
                install_model(models, options.install, options.name)
        elif not has_matches(lib, query, match_albums=options.album):
            context.log.info(NO_MATCHES)
        else:
            require_scikit_learn()
            with user_errors(), context.cnn_predictor(lib) as predictor:
                journal = context.journal(lib)
                training = Training(predictor, journal, context.log, options, name)
                if training.run(lib, query, models):
                    context.fail("some tracks could not be analyzed")
    except ModelError as exc:
        raise UserError(describe_model_error(exc)) from exc


class _BarProgress:
    """Shows the analysis of labeled tracks by a progress bar, and counts failures."""

    def __init__(self, log: Logger, shown: Callable[[Bar], Bar]) -> None:
        self._log = log
        self._shown = shown
        self._bar: Bar | None = None
        self.failures = 0

    def begin(self, total: int) -> None:
        self._bar = Bar(total, shown=is_terminal())
        self._shown(self._bar)

    def advance(self) -> None:
        if self._bar:
            self._bar.advance()

    def warn(self, message: str) -> None:
        with self._hidden():
            self._log.warning("{}", message)

    def fail(self, message: str) -> None:
        self.failures += 1
        with self._hidden():
            self._log.error("{}", message)
        self.advance()

    def _hidden(self) -> AbstractContextManager[None]:
        return self._bar.hidden() if self._bar else nullcontext()


class Training:
    """Trains a model on the tracks of a query, and prints a report.

    predictor: with the bundled model.
    """

    def __init__(
        self,
        predictor: Predictor,
        journal: Journal,
        log: Logger,
        options: TrainOptions,
        name: str,
    ) -> None:
        self._predictor = predictor
        self._journal = journal
        self._log = log
        self._options = options
        self._name = name

    def run(self, lib: Library, query: Sequence[str], models: ModelStore) -> int:
        """Train and save a model; return how many tracks could not be analyzed.

        Raises UserError if no model can be trained, or none worth saving, and ModelError if it
        cannot be saved; then none is.
        """
        from genremodel.errors import TrainingError

        self._check(models)
        name, field = self._name, self._options.field
        with ExitStack() as stack:
            progress = _BarProgress(self._log, stack.enter_context)
            collector = LabelCollector(
                self._predictor, self._journal, progress,
                field=field, min_tracks=self._options.min_tracks,
            )  # fmt: skip
            items = matching_items(lib, query, match_albums=self._options.album)
            tracks = collector.collect(lib, items)
        if not tracks.examples:
            self._show_skipped(tracks)
            raise UserError(
                f"training failed: no {self._label} has {self._options.min_tracks} tracks that can "
                "be used"
                if tracks.labeled
                else f"no matching track has a {field} value of its own"
            )
        try:
            model, report = train_model(
                tracks, self._predictor, name=name, field=field, linear=self._options.linear
            )
        except TrainingError as exc:
            self._show_skipped(tracks)
            raise UserError(f"training failed: {exc}") from exc
        good = self._options.force or not report.warnings
        saved = self._save(models, model) if good else None  # first: the pipe may be closed
        if field == fields.GENRES:
            ui.print_(comparison(model.metrics))
        self._show_skipped(tracks)
        self._show(tracks.paths, report)
        for warning in report.warnings:
            self._log.warning("{}", warning)
        if saved is None:
            raise UserError("model not saved; use --force to save it anyway")
        self._show_saved(saved)
        return progress.failures

    def _check(self, models: ModelStore) -> None:
        """Raise UserError or ModelError if the options are invalid."""
        from genremodel.errors import ModelError

        name, field = self._name, self._options.field
        models.validate_field(field)
        models.validate_name_to_save(name)
        if field in fields.ITEM_TYPES:
            raise UserError(f"{field} is set by genreclf and cannot be trained on")
        if field != fields.GENRES and (problem := why_not(field)):
            raise UserError(f"there can be no model of the field {field}: {problem}")
        if self._options.min_tracks < 2:
            raise UserError("--min-tracks must be 2 or more")
        if name in models.names() and not self._options.force:
            with suppress(ModelError):  # one that cannot be read is to be replaced
                described = models.describe(name)
                other = described.field
                if described.installed:
                    raise UserError(f"{name} is an installed model: use another --name, or --force")
                if other != field:
                    raise UserError(
                        f"{name} was trained on {other}: use --field {other}, another --name, or "
                        "--force"
                    )

    def _save(self, models: ModelStore, model: CustomModel) -> ModelInfo:
        with self._journal.lock():
            self._check(models)  # again: a model may have been installed meanwhile
            return models.save(model)

    @property
    def _label(self) -> str:
        from genremodel.custom.custom_model import label_word

        return label_word(self._options.field)

    def _show_skipped(self, tracks: LabeledTracks) -> None:
        for what, skipped in (
            (f"{self._label}s with fewer than {self._options.min_tracks} tracks", tracks.rare),
            ("placeholders", tracks.placeholders),
        ):
            if skipped:
                ui.print_(f"skipped {what}: {_counts(skipped)}")

    def _show(self, paths: Sequence[str], report: TrainingReport) -> None:
        for part in report.render(paths):
            ui.print_(part) if isinstance(part, str) else print_rich(part)

    def _show_saved(self, model: ModelInfo) -> None:
        config, of_genres = self._predictor.config, model.field == fields.GENRES
        configured = (config.model,) if of_genres else config.other_models
        use = how_to_use(model)
        if model.name in configured or (of_genres and config.model == "auto" and model.is_default):
            use = "`beet genreclf` and imports will use it"
        elif of_genres and not model.is_default:
            use = f"not used by `model: auto`: {objection(model.metrics)}; {use} anyway"
        ui.print_(f"saved as {model.name} ({model.id}); {use}")


def _counts(labels: Mapping[str, int]) -> str:
    """Return labels and how many tracks each has, the most common first."""
    common = sorted(labels.items(), key=lambda label: (-label[1], label[0]))
    shown = [f"{label} ({number})" for label, number in common[:_SHOWN]]
    return ", ".join(shown + ([f"{len(common) - _SHOWN} more"] if len(common) > _SHOWN else []))
