"""The `genreclf-train` command: train a model on the genres of tracks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from logging import Logger
from typing import TYPE_CHECKING, Any, Protocol

from beets import ui
from beets.exceptions import UserError
from beets.library import Item, Library
from beets.util import displayable_path

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands import exclusive, user_errors
from beetsplug.genreclf.commands._printing import print_rich
from beetsplug.genreclf.commands._progress import Bar, is_terminal
from beetsplug.genreclf.commands._selection import NO_MATCHES, has_matches, matching_items
from beetsplug.genreclf.decisions import ACCEPTED
from beetsplug.genreclf.genres.agreement import Agreement, agreement
from beetsplug.genreclf.genres.labels import Vocabulary, is_placeholder, labels
from beetsplug.genreclf.genres.normalize import squash
from beetsplug.genreclf.messages import count
from beetsplug.genreclf.storage.artists import Artists
from beetsplug.genreclf.storage.objects import get_values
from beetsplug.genreclf.storage.paths import models_folder
from beetsplug.genreclf.storage.snapshot import genres_before

if TYPE_CHECKING:
    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.storage.journal import Journal
    from genremodel.custom.dataset import LabeledTrack
    from genremodel.custom.report import TrainingReport
    from genremodel.custom.store import ModelInfo, ModelStore

_SHOWN = 10  # skipped labels
_COMMON = 20  # tracks of a genre that a model must recognize, or `model: auto` does not use it


class TrainOptions(Protocol):
    """The options of `beet genreclf-train`."""

    album: bool
    name: str
    field: str
    min_tracks: int
    force: bool
    list: bool
    delete: str | None


def command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-train`."""
    train = ui.Subcommand("genreclf-train", help="train a model on the genres of your tracks")
    train.parser.add_option(
        "-n",
        "--name",
        default="mine",
        help="name of the model (default: %default)",
    )
    train.parser.add_option(
        "--field",
        default="genres",
        help="field to take the genres from (default: %default)",
    )
    train.parser.add_option(
        "--min-tracks",
        type="int",
        default=8,
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
        "--list",
        action="store_true",
        default=False,
        help="list the trained models",
    )
    train.parser.add_option(
        "--delete",
        default=None,
        metavar="NAME",
        help="delete a model",
    )
    train.parser.add_album_option()
    train.func = partial(_run, context)
    return train


def _run(context: Context, lib: Library, options: TrainOptions, query: list[str]) -> None:
    from beetsplug.genreclf.loading import describe_model_error
    from genremodel.custom.store import ModelStore
    from genremodel.errors import ModelError

    delete = options.delete is not None
    exclusive({"--list": options.list, "--delete": delete, "a query": query})
    models = ModelStore(models_folder(lib))
    try:
        if options.list:
            if not _list_models(models, context.log):
                context.fail("some models cannot be read")
        elif options.delete is not None:
            models.delete(options.delete)
            ui.print_(f"deleted {options.delete}")
        elif not has_matches(lib, query, match_albums=options.album):
            context.log.info(NO_MATCHES)
        else:
            _require_scikit_learn()
            with user_errors(), context.cnn_predictor(lib) as predictor:
                training = Training(predictor, context.journal(lib), context.log, options)
                if training.run(lib, query, models):
                    context.fail("some tracks could not be analyzed")
    except ModelError as exc:
        raise UserError(describe_model_error(exc)) from exc


def _require_scikit_learn() -> None:
    """Raise UserError without scikit-learn, before tracks are analyzed in vain."""
    try:
        import sklearn  # noqa: F401
    except ImportError as exc:
        raise UserError(f"training needs scikit-learn: pip install scikit-learn ({exc})") from exc


def _list_models(models: ModelStore, log: Logger) -> bool:
    """Print the trained models, newest first; return whether all can be read."""
    from beetsplug.genreclf.loading import describe_model_error
    from genremodel.errors import ModelError

    described = []
    if not models.names():
        log.info("no models trained yet")
    for name in models.names():
        try:
            described.append(models.describe(name))
        except ModelError as exc:
            log.warning("{}", describe_model_error(exc))
    for model in sorted(described, key=lambda model: -model.trained):
        trained = time.strftime("%Y-%m-%d %H:%M", time.localtime(model.trained))
        genres = count(len(model.genres), "genre")
        tracks = count(model.metrics["tracks"], "track")
        ui.print_(
            f"{model.name}: {genres}, {tracks}, trained {trained} on {model.field}, accuracy "
            f"{model.metrics['accuracy']:.0%}, {model.id}{_comparison_in_list(model)}"
        )
    return len(described) == len(models.names())


class Training:
    """Trains a model on the tracks of a query, and prints a report.

    predictor: with the bundled model.
    """

    def __init__(
        self, predictor: Predictor, journal: Journal, log: Logger, options: TrainOptions
    ) -> None:
        self._predictor = predictor
        self._journal = journal
        self._log = log
        self._options = options
        self._failures = 0
        self._rare: dict[str, int] = {}  # labels with too few tracks, and how many
        self._placeholders = Counter[str]()

    def run(self, lib: Library, query: Sequence[str], models: ModelStore) -> int:
        """Train and save a model; return how many tracks could not be analyzed.

        Raises UserError if no model can be trained, or none worth saving, and ModelError if it
        cannot be saved; then none is.
        """
        from genremodel.custom.training import train
        from genremodel.errors import TrainingError

        self._check(models)
        paths, examples, fitting = self._examples(lib, query)
        if not examples:
            self._show_skipped()
            raise UserError(
                f"training failed: no genre has {self._options.min_tracks} tracks that can be used"
            )
        try:
            model, report = train(
                examples,
                name=self._options.name,
                field=self._options.field,
                version=self._predictor.classifier.analysis_version,
            )
        except TrainingError as exc:
            self._show_skipped()
            raise UserError(f"training failed: {exc}") from exc
        metrics = {**model.metrics, **compare(report, fitting)}
        model = replace(model, metrics=metrics)
        good = self._options.force or not report.warnings
        saved = models.save(model) if good else None  # first: the reader may close the pipe
        ui.print_(_comparison(metrics))
        self._show_skipped()
        self._show(paths, report)
        for warning in report.warnings:
            self._log.warning("{}", warning)
        if saved is None:
            raise UserError("model not saved; use --force to save it anyway")
        self._show_saved(saved)
        return self._failures

    def _check(self, models: ModelStore) -> None:
        """Raise UserError or ModelError if the options are invalid."""
        from genremodel.errors import ModelError

        name, field = self._options.name, self._options.field
        models.validate_name(name)
        if field in fields.ITEM_TYPES:
            raise UserError(f"{field} is set by genreclf and cannot be trained on")
        if self._options.min_tracks < 2:
            raise UserError("--min-tracks must be 2 or more")
        if name in models.names() and not self._options.force:
            with suppress(ModelError):  # one that cannot be read is to be replaced
                other = models.describe(name).field
                if other != field:
                    raise UserError(
                        f"{name} was trained on {other}: use --field {other}, another --name, or "
                        "--force"
                    )

    def _examples(
        self, lib: Library, query: Sequence[str]
    ) -> tuple[list[str], list[LabeledTrack], list[Agreement]]:
        """Return the paths of tracks, their examples, and how the bundled genres agree."""
        from genremodel.custom.dataset import LabeledTrack

        labeled = self._labeled(matching_items(lib, query, match_albums=self._options.album))
        if not labeled:
            self._show_skipped()
            raise UserError(f"no matching track has a {self._options.field} value of its own")
        enough = Vocabulary.from_tracks(labeled.values(), self._options.min_tracks)
        # By id, so that the same tracks give the same model in whatever order they are listed.
        wanted = sorted(id_ for id_, own in labeled.items() if enough.canonical(own))
        artist_of = Artists(lib).key
        analyzed: list[tuple[str, LabeledTrack, Agreement]] = []
        with Bar(len(wanted), shown=is_terminal()) as bar:

            def fail(message: str) -> None:
                self._failures += 1
                with bar.hidden():
                    self._log.error("{}", message)
                bar.advance()

            for track, analysis in self._predictor.iter_analyses(lib, wanted, fail):
                path, own = displayable_path(track.path), labeled[track.id or 0]
                if not analysis.audible.any():
                    with bar.hidden():
                        self._log.warning("{}: skipped: silent", path)
                    bar.advance()
                    continue
                example = LabeledTrack(
                    analysis,
                    enough.canonical(own),
                    artist_of(track),
                    is_tested=not self._is_accepted(track),
                )
                bundled = next(iter(self._predictor.classifier.predict(analysis).votes))
                fits = agreement(own, bundled) if example.is_tested else ""
                analyzed.append((path, example, fits))
                bar.advance()
        vocabulary = Vocabulary.from_tracks(
            (example.genres for _, example, _ in analyzed), self._options.min_tracks
        )
        self._rare = {**enough.left_out, **vocabulary.left_out}
        examples = [
            (path, example.with_genres(genres), fit)
            for path, example, fit in analyzed
            if (genres := vocabulary.canonical(example.genres))
        ]
        paths, tracks, fitting = zip(*examples, strict=True) if examples else ((), (), ())
        return [*paths], [*tracks], [*fitting]

    def _labeled(self, items: Iterable[Item]) -> dict[int, list[str]]:
        """Return the labels of tracks by their ids, without those that cannot be trained on."""
        from genremodel.display import has_control_characters

        placeholders, refused = self._predictor.config.placeholders, Counter[str]()
        labeled = {}
        for track in items:
            own = self._labels(track)
            refused.update(name for name in own if has_control_characters(name))
            own = [name for name in own if name not in refused]
            self._placeholders.update(name for name in own if is_placeholder(name, placeholders))
            if track.id is not None and (own := [x for x in own if x not in self._placeholders]):
                labeled[track.id] = own
        for name, number in sorted(refused.items()):
            self._log.warning(
                "{}", f"skipped label {name!r}: control characters ({count(number, 'track')})"
            )
        return labeled

    def _labels(self, track: Item) -> list[str]:
        """Return the labels of a track, without genres that the plugin set."""
        if self._options.field != fields.GENRES:
            return labels(track.get(self._options.field), numbers=False)
        own, values = labels(genres_before(self._journal, track)), get_values(track)
        genre = values.get(fields.PREDICTED_GENRE)
        if genre and values.get(fields.MODEL) and not values.get(fields.JOURNAL_ID):
            # Set in another library, in whichever spelling.
            predicted = {*map(squash, (genre, self._predictor.rules.spelled(genre)))}
            own = [label for label in own if squash(label) not in predicted]
        return own

    def _is_accepted(self, track: Item) -> bool:
        """Return whether the labels of a track are a prediction that the user has accepted."""
        is_accepted = get_values(track).get(fields.REVIEW) == ACCEPTED
        return is_accepted and self._options.field == fields.GENRES

    def _show_skipped(self) -> None:
        for what, skipped in (
            (f"genres with fewer than {self._options.min_tracks} tracks", self._rare),
            ("placeholders", self._placeholders),
        ):
            if skipped:
                ui.print_(f"skipped {what}: {_counts(skipped)}")

    def _show(self, paths: Sequence[str], report: TrainingReport) -> None:
        for part in report.render(paths):
            ui.print_(part) if isinstance(part, str) else print_rich(part)

    def _show_saved(self, model: ModelInfo) -> None:
        configured = self._predictor.config.model
        automatic = configured == "auto" and model.field == fields.GENRES
        if configured == model.name or (automatic and model.is_default):
            use = "`beet genreclf` and imports will use it"
        else:
            use = f"set `model: {model.name}` in the configuration to use it"
            if not model.is_default:
                use = f"not used by `model: auto`: {_objection(model.metrics)}; {use} anyway"
        ui.print_(f"saved as {model.name} ({model.id}); {use}")


def compare(report: TrainingReport, fitting: Sequence[Agreement]) -> dict[str, Any]:
    """Return how a model compares with the bundled one on the same tracks.

    fitting: how the bundled prediction agrees with the labels of each example that is tested.
    "compared": number of tracks where that is known; "own", "bundled": how many of them each
    predicts correctly; "missed": genres of many tracks that the model never recognizes; "default":
    whether `model: auto` may use it.
    """
    compared = [i for i, fits in enumerate(fitting) if fits]
    bundled = sum(fitting[i] == "agrees" for i in compared)
    own = sum(report.correct[i] for i in compared)
    missed = [x.genre for x in report.genres if x.tested >= _COMMON and not x.recall]
    return {
        "compared": len(compared),
        "own": own,
        "bundled": bundled,
        "missed": missed,
        "default": not missed and (own > bundled or not compared),
    }


def _comparison(metrics: Mapping[str, Any]) -> str:
    """Return whether a model is better than the bundled one, and by how much."""
    tracks, own, bundled = metrics["compared"], metrics["own"], metrics["bundled"]
    if not tracks:
        return "not comparable with the bundled model, which has none of these genres"
    if own == bundled:
        return (
            f"no better than the bundled model: accuracy {own / tracks:.0%} on "
            f"{count(tracks, 'track')}"
        )
    word = "better" if own > bundled else "worse"
    return (
        f"{word} than the bundled model by {abs(own - bundled)} of {count(tracks, 'track')}: "
        f"accuracy {own / tracks:.0%} instead of {bundled / tracks:.0%}"
    )


def _objection(metrics: Mapping[str, Any]) -> str:
    """Return why `model: auto` does not use a model."""
    if metrics["missed"]:
        return f"it never recognizes {', '.join(metrics['missed'])}"
    return "it is not better than the bundled model"


def _comparison_in_list(model: ModelInfo) -> str:
    if "compared" not in model.metrics:  # trained without the plugin
        return ""
    unused = "" if model.is_default else "; not used by `model: auto`"
    return f", {_comparison(model.metrics)}{unused}"


def _counts(labels: Mapping[str, int]) -> str:
    """Return labels and how many tracks each has, the most common first."""
    common = sorted(labels.items(), key=lambda label: (-label[1], label[0]))
    shown = [f"{label} ({number})" for label, number in common[:_SHOWN]]
    return ", ".join(shown + ([f"{len(common) - _SHOWN} more"] if len(common) > _SHOWN else []))
