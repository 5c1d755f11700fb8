"""`beet genreclf-learn`: a collector's own genres, from the tracks that have them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from logging import Logger
from statistics import mean
from typing import TYPE_CHECKING

from beets import ui
from beets.exceptions import UserError
from beets.library import Item, Library
from beets.util import displayable_path
from rich.table import Table
from rich.text import Text

from beetsplug.genreclf import fields
from beetsplug.genreclf.agreement import Agreement, agreement
from beetsplug.genreclf.labels import Vocabulary, artist, split
from beetsplug.genreclf.printing import print_rich
from beetsplug.genreclf.progress import Bar, is_terminal

if TYPE_CHECKING:
    from beetsplug.genreclf.cli import LearnOptions
    from beetsplug.genreclf.tagging import Tagger
    from genremodel.examples import Example
    from genremodel.learned import Description, Models
    from genremodel.lesson import Lesson

_SHOWN = 10  # confused pairs and doubted labels


def show_models(models: Models, log: Logger) -> bool:
    """Print the learned models, learned last first; return whether all can be read."""
    from genremodel.learned import ModelError

    described = []
    if not models.names():
        log.info("nothing has been learned yet")
    for name in models.names():
        try:
            described.append(models.describe(name))
        except ModelError as exc:
            log.warning("{}", exc)
    for model in sorted(described, key=lambda model: -model.learned):
        learned = time.strftime("%Y-%m-%d %H:%M", time.localtime(model.learned))
        figures = model.figures
        ui.print_(
            f"{model.name}: {len(model.genres)} genres of {figures['tracks']} tracks, learned "
            f"{learned} from {model.field}, {figures['accuracy']:.0%} right, {model.id}"
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

    def run(self, lib: Library, query: Sequence[str], models: Models) -> int:
        """Learn and save a model; return how many tracks could not be heard.

        Raises UserError where nothing can be learned, or nothing that is of use, and ModelError
        where it cannot be saved; then nothing is.
        """
        from genremodel.learning import learn
        from genremodel.trial import LearningError

        self._check(models)
        paths, examples, fitting = self._hear(lib, query)
        if not examples:
            raise UserError("there is nothing to learn from")
        try:
            model, lesson = learn(
                examples,
                name=self._options.name,
                field=self._options.field,
                version=self._tagger.classifier.version,
            )
        except LearningError as exc:
            raise UserError(f"nothing learned: {exc}") from exc
        good = self._options.force or not lesson.warnings
        saved = models.save(model) if good else None  # first: the reader may close the pipe
        self._show(paths, examples, lesson, fitting)
        for warning in lesson.warnings:
            self._log.warning("{}", warning)
        if saved is None:
            raise UserError("nothing saved; --force saves it all the same")
        self._say_saved(saved)
        return self._failures

    def _check(self, models: Models) -> None:
        """Raise UserError or ModelError where the options cannot be meant."""
        from genremodel.learned import ModelError

        name, field = self._options.name, self._options.field
        models.check_name(name)
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
    ) -> tuple[list[str], list[Example], list[Agreement]]:
        """Return paths, what is in them, and how the bundled genres fit."""
        from genremodel.examples import Example

        labels = {item.id: found for item in lib.items(query) if (found := self._labels(item))}
        if not labels:
            raise UserError(f"no track of the query has {self._options.field} of your own")
        enough = Vocabulary.of(labels.values(), self._options.min_tracks)
        # By id, so that the same tracks give the same model in whatever order they are listed.
        wanted = sorted(id_ for id_, found in labels.items() if id_ is not None and enough(found))
        heard: list[tuple[str, Example, Agreement]] = []
        with Bar(len(wanted), shown=is_terminal()) as bar:

            def fail(message: str) -> None:
                self._failures += 1
                with bar.hidden():
                    self._log.error("{}", message)
                bar.advance()

            for track, analysis in self._tagger.analyses(lib, wanted, fail):
                path, own = displayable_path(track.path), labels[track.id]
                example = Example.of(analysis, enough(own), artist(track))
                if example is None:
                    with bar.hidden():
                        self._log.warning("{}: silent, nothing to learn from", path)
                    bar.advance()
                    continue
                bundled = next(iter(self._tagger.classifier.decide(analysis).votes))
                heard.append((path, example, agreement(own, bundled)))
                bar.advance()
        vocabulary = Vocabulary.of(
            (example.genres for _, example, _ in heard), self._options.min_tracks
        )
        self._say_left_out({**enough.left_out, **vocabulary.left_out})
        learned = [
            (path, example._replace(genres=genres), fit)
            for path, example, fit in heard
            if (genres := vocabulary(example.genres))
        ]
        paths, examples, fitting = zip(*learned, strict=True) if learned else ((), (), ())
        return [*paths], [*examples], [*fitting]

    def _labels(self, track: Item) -> list[str]:
        """Return the labels of a track; a genre that the plugin gave it is none."""
        if self._options.field != fields.GENRES:
            return split(track.get(self._options.field))
        labels, own = split(self._tagger.before(track)), fields.own_values(track)
        if own.get(fields.MODEL) and not own.get(fields.HISTORY):  # given in another library
            labels = [label for label in labels if label != own.get(fields.GENRE)]
        return labels

    def _say_left_out(self, left_out: Mapping[str, int]) -> None:
        if left_out:
            rare = sorted(left_out.items(), key=lambda label: (-label[1], label[0]))
            told = [f"{label} ({count})" for label, count in rare[:_SHOWN]]
            told += [f"{len(rare) - _SHOWN} more"] if len(rare) > _SHOWN else []
            least = self._options.min_tracks
            ui.print_(f"left out, fewer than {least} tracks: {', '.join(told)}")

    def _show(
        self,
        paths: Sequence[str],
        examples: Sequence[Example],
        lesson: Lesson,
        fitting: Sequence[Agreement],
    ) -> None:
        from genremodel.lesson import MIN_CONFIDENCE

        table = Table("genre", box=None, pad_edge=False)
        for column in ("tracks", "artists", "precision", "recall"):
            table.add_column(column, justify="right")
        for genre in lesson.genres:
            table.add_row(
                Text(genre.genre), str(genre.tracks), str(genre.artists),
                f"{genre.precision:.2f}", f"{genre.recall:.2f}",
            )  # fmt: skip
        print_rich(table)
        ui.print_(
            f"{lesson.tracks} tracks by {lesson.artists} artists; of artists that it has not "
            f"heard, {lesson.accuracy:.0%} of the tracks are named rightly"
        )
        tried = ", ".join(f"{name} {share:.0%}" for name, share in lesson.recalls.items())
        ui.print_(f"(always the commonest: {lesson.commonest:.0%}; genre by genre, {tried})")
        if lesson.right is not None:
            ui.print_(
                f"it is sure enough ({MIN_CONFIDENCE}) of {lesson.decided:.0%}, and right about "
                f"{lesson.right:.0%} of those; its confidence is off by "
                f"{lesson.calibration_error:.2f}"
            )
        compared = [i for i, fits in enumerate(fitting) if fits]
        if compared:
            bundled = mean(fitting[i] == "agrees" for i in compared)
            these = mean(lesson.rightly[i] for i in compared)
            ui.print_(
                f"the bundled genres, or their families, fit {bundled:.0%} of {len(compared)} "
                f"tracks, these {these:.0%}"
            )
        missed = [genre.genre for genre in lesson.genres if not genre.recall]
        if missed:
            ui.print_(f"not recognised: {', '.join(missed)}")
        if lesson.confused:
            pairs = (f"{own} taken for {other} ({n})" for own, other, n in lesson.confused[:_SHOWN])
            ui.print_(f"confused: {', '.join(pairs)}")
        if lesson.doubts:
            ui.print_("labels that it doubts:")
        for doubt in lesson.doubts[:_SHOWN]:
            own = ", ".join(examples[doubt.index].genres)
            heard = f"sounds like {doubt.genre} ({doubt.confidence:.2f})"
            ui.print_(f"  {paths[doubt.index]}: {own}, {heard}")

    def _say_saved(self, model: Description) -> None:
        configured = self._tagger.settings.model
        if configured == model.name or (configured == "auto" and model.field == fields.GENRES):
            use = "`beet genreclf` and imports use it from now on"
        else:
            use = f"`model: {model.name}` in the configuration makes use of it"
        ui.print_(f"saved as {model.name} ({model.id}); {use}")
