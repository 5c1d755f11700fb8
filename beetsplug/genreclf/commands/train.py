"""`beet genreclf-learn`: a collector's own genres, from the tracks that have them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from logging import Logger
from typing import TYPE_CHECKING, Any

from beets import ui
from beets.exceptions import UserError
from beets.library import Item, Library
from beets.util import displayable_path
from rich.table import Table

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands._printing import print_rich
from beetsplug.genreclf.commands._progress import Bar, is_terminal
from beetsplug.genreclf.genres.agreement import Agreement, agreement
from beetsplug.genreclf.genres.labels import Vocabulary, is_placeholder, labels
from beetsplug.genreclf.storage.artists import Artists
from genremodel.display import has_control_characters

if TYPE_CHECKING:
    from beetsplug.genreclf.cli import LearnOptions
    from beetsplug.genreclf.tagging import Tagger
    from genremodel.custom.dataset import LabeledTrack
    from genremodel.custom.report import TrainingReport
    from genremodel.custom.store import ModelInfo, ModelStore

_SHOWN = 10  # confused pairs and doubted labels
_COMMON = 20  # tracks of a genre that a model must recognize, or `model: auto` does not use it


def show_models(models: ModelStore, log: Logger) -> bool:
    """Print the learned models, learned last first; return whether all can be read."""
    from beetsplug.genreclf.loading import describe_model_error
    from genremodel.errors import ModelError

    described = []
    if not models.names():
        log.info("nothing has been learned yet")
    for name in models.names():
        try:
            described.append(models.describe(name))
        except ModelError as exc:
            log.warning("{}", describe_model_error(exc))
    for model in sorted(described, key=lambda model: -model.trained):
        learned = time.strftime("%Y-%m-%d %H:%M", time.localtime(model.trained))
        figures = model.metrics
        ui.print_(
            f"{model.name}: {len(model.genres)} genres of {figures['tracks']} tracks, learned "
            f"{learned} from {model.field}, {figures['accuracy']:.0%} right, {model.id}"
            f"{_comparison_in_list(model)}"
        )
    return len(described) == len(models.names())


class Learning:
    """Learns from the tracks of a query, and tells what was learned.

    tagger: with the bundled model.
    """

    def __init__(self, tagger: Tagger, log: Logger, options: LearnOptions) -> None:
        self._tagger = tagger
        self._log = log
        self._options = options
        self._failures = 0
        self._left_out: dict[str, int] = {}  # labels of too few tracks, and of how many
        self._nameless = Counter[str]()  # placeholders

    def run(self, lib: Library, query: Sequence[str], models: ModelStore) -> int:
        """Learn and save a model; return how many tracks could not be heard.

        Raises UserError where nothing can be learned, or nothing that is of use, and ModelError
        where it cannot be saved; then nothing is.
        """
        from genremodel.custom.training import train
        from genremodel.errors import TrainingError

        self._check(models)
        paths, examples, fitting = self._hear(lib, query)
        if not examples:
            self._show_left_out()
            raise UserError("there is nothing to learn from")
        try:
            model, report = train(
                examples,
                name=self._options.name,
                field=self._options.field,
                version=self._tagger.classifier.analysis_version,
            )
        except TrainingError as exc:
            self._show_left_out()
            raise UserError(f"nothing learned: {exc}") from exc
        metrics = {**model.metrics, **compare(report, fitting)}
        model = replace(model, metrics=metrics)
        good = self._options.force or not report.warnings
        saved = models.save(model) if good else None  # first: the reader may close the pipe
        ui.print_(_comparison(metrics))
        self._show_left_out()
        self._show(paths, report)
        for warning in report.warnings:
            self._log.warning("{}", warning)
        if saved is None:
            raise UserError("nothing saved; --force saves it all the same")
        self._say_saved(saved)
        return self._failures

    def _check(self, models: ModelStore) -> None:
        """Raise UserError or ModelError where the options cannot be meant."""
        from genremodel.errors import ModelError

        name, field = self._options.name, self._options.field
        models.validate_name(name)
        if field in fields.TYPES:
            raise UserError(f"{field} is what the plugin says itself")
        if self._options.min_tracks < 2:
            raise UserError("--min-tracks must be 2 or more")
        if name in models.names() and not self._options.force:
            with suppress(ModelError):  # one that cannot be read is to be replaced
                other = models.describe(name).field
                if other != field:
                    raise UserError(
                        f"{name} has been learned from {other}: add --field {other}, another "
                        "--name, or --force"
                    )

    def _hear(
        self, lib: Library, query: Sequence[str]
    ) -> tuple[list[str], list[LabeledTrack], list[Agreement]]:
        """Return paths, what is in them, and how the bundled genres fit."""
        from genremodel.custom.dataset import LabeledTrack

        labelled = self._labelled(lib, query)
        if not labelled:
            self._show_left_out()
            raise UserError(f"no track of the query has {self._options.field} of your own")
        enough = Vocabulary.from_tracks(labelled.values(), self._options.min_tracks)
        # By id, so that the same tracks give the same model in whatever order they are listed.
        wanted = sorted(id_ for id_, own in labelled.items() if enough.canonical(own))
        artist = Artists(lib)
        heard: list[tuple[str, LabeledTrack, Agreement]] = []
        with Bar(len(wanted), shown=is_terminal()) as bar:

            def fail(message: str) -> None:
                self._failures += 1
                with bar.hidden():
                    self._log.error("{}", message)
                bar.advance()

            for track, analysis in self._tagger.analyses(lib, wanted, fail):
                path, own = displayable_path(track.path), labelled[track.id or 0]
                if not analysis.audible.any():
                    with bar.hidden():
                        self._log.warning("{}: silent, nothing to learn from", path)
                    bar.advance()
                    continue
                example = LabeledTrack(analysis, enough.canonical(own), artist(track))
                bundled = next(iter(self._tagger.classifier.predict(analysis).votes))
                heard.append((path, example, agreement(own, bundled)))
                bar.advance()
        vocabulary = Vocabulary.from_tracks(
            (example.genres for _, example, _ in heard), self._options.min_tracks
        )
        self._left_out = {**enough.left_out, **vocabulary.left_out}
        learned = [
            (path, example.with_genres(genres), fit)
            for path, example, fit in heard
            if (genres := vocabulary.canonical(example.genres))
        ]
        paths, examples, fitting = zip(*learned, strict=True) if learned else ((), (), ())
        return [*paths], [*examples], [*fitting]

    def _labelled(self, lib: Library, query: Sequence[str]) -> dict[int, list[str]]:
        """Return the labels of the tracks that have any which can be learned, by track id."""
        placeholders, refused = self._tagger.settings.placeholders, Counter[str]()
        labelled = {}
        for track in lib.items(query):
            own = self._labels(track)
            refused.update(name for name in own if has_control_characters(name))
            own = [name for name in own if name not in refused]
            self._nameless.update(name for name in own if is_placeholder(name, placeholders))
            if track.id is not None and (own := [x for x in own if x not in self._nameless]):
                labelled[track.id] = own
        for name, count in sorted(refused.items()):
            self._log.warning(
                "{}", f"label {name!r} left out, because it has control characters ({count})"
            )
        return labelled

    def _labels(self, track: Item) -> list[str]:
        """Return the labels of a track; a genre that the plugin gave it is none."""
        if self._options.field != fields.GENRES:
            return labels(track.get(self._options.field), numbers=False)
        own, values = labels(self._tagger.before(track)), fields.own_values(track)
        if values.get(fields.MODEL) and not values.get(fields.HISTORY):  # given in another library
            own = [label for label in own if label != values.get(fields.GENRE)]
        return own

    def _show_left_out(self) -> None:
        least = self._options.min_tracks
        for why, left_out in (
            (f"fewer than {least} tracks", self._left_out),
            ("not genres", self._nameless),
        ):
            if left_out:
                ui.print_(f"left out, {why}: {_counts(left_out)}")

    def _show(
        self,
        paths: Sequence[str],
        report: TrainingReport,
    ) -> None:
        for part in report.render(paths):
            print_rich(part) if isinstance(part, Table) else ui.print_(part)

    def _say_saved(self, model: ModelInfo) -> None:
        configured = self._tagger.settings.model
        automatic = configured == "auto" and model.field == fields.GENRES
        if configured == model.name or (automatic and model.is_default):
            use = "`beet genreclf` and imports use it from now on"
        else:
            use = f"`model: {model.name}` in the configuration makes use of it"
            if not model.is_default:
                use = (
                    f"not used by `model: auto`, because {_objection(model.metrics)}; {use} anyway"
                )
        ui.print_(f"saved as {model.name} ({model.id}); {use}")


def compare(report: TrainingReport, fitting: Sequence[Agreement]) -> dict[str, Any]:
    """Return how a model compares with the bundled genres on the same tracks.

    fitting: of each example, how the bundled genre fits. "compared": the number of tracks for which
    that is known; "own", "bundled": how many of them each predicts correctly; "missed": genres of
    many tracks that the model never recognizes; "default": whether `model: auto` may use it.
    """
    compared = [i for i, fits in enumerate(fitting) if fits]
    bundled = sum(fitting[i] == "agrees" for i in compared)
    own = sum(report.correct[i] for i in compared)
    missed = [x.genre for x in report.genres if x.tracks >= _COMMON and not x.recall]
    return {
        "compared": len(compared),
        "own": own,
        "bundled": bundled,
        "missed": missed,
        "default": not missed and (own > bundled or not compared),
    }


def _comparison(figures: Mapping[str, Any]) -> str:
    """Return whether a model is better than the bundled genres, and by how much."""
    tracks, own, bundled = figures["compared"], figures["own"], figures["bundled"]
    if not tracks:
        return "not comparable with the bundled genres, which cover none of these"
    right = f"{own / tracks:.0%} right"
    if own == bundled:
        return f"no better than the bundled genres: both are {right} on {tracks} tracks"
    word = "better" if own > bundled else "worse"
    return (
        f"{word} than the bundled genres by {abs(own - bundled)} of {tracks} tracks: {right} "
        f"instead of {bundled / tracks:.0%}"
    )


def _objection(figures: Mapping[str, Any]) -> str:
    """Return why `model: auto` does not use a model."""
    if figures["missed"]:
        return f"it never recognizes {', '.join(figures['missed'])}"
    return "it does not beat the bundled genres"


def _comparison_in_list(model: ModelInfo) -> str:
    if "compared" not in model.metrics:  # learned by an older version
        return ""
    unused = "" if model.is_default else "; not used by `model: auto`"
    return f", {_comparison(model.metrics)}{unused}"


def _counts(labels: Mapping[str, int]) -> str:
    """Return labels and how many tracks each has, the commonest first."""
    common = sorted(labels.items(), key=lambda label: (-label[1], label[0]))
    shown = [f"{label} ({count})" for label, count in common[:_SHOWN]]
    return ", ".join(shown + ([f"{len(common) - _SHOWN} more"] if len(common) > _SHOWN else []))
