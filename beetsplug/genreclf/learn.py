"""`beet genreclf-learn`: a collector's own genres, from the tracks that have them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from logging import Logger
from typing import TYPE_CHECKING

from beets import ui
from beets.exceptions import UserError
from beets.library import Item, Library
from beets.util import displayable_path
from rich.console import Console
from rich.table import Table
from rich.text import Text

from beetsplug.genreclf import fields
from beetsplug.genreclf.agreement import agreement
from beetsplug.genreclf.labels import Vocabulary, artist, split
from beetsplug.genreclf.progress import Bar, is_terminal

if TYPE_CHECKING:
    from beetsplug.genreclf.cli import LearnOptions
    from beetsplug.genreclf.tagging import Tagger
    from genremodel.examples import Example
    from genremodel.learned import Description, Models
    from genremodel.lesson import Lesson

_SHOWN = 10  # confused pairs and doubted labels


def show_models(models: Models) -> None:
    """Print the learned models, learned last first. Raises ModelError."""
    for model in models.list():
        learned = time.strftime("%Y-%m-%d %H:%M", time.localtime(model.learned))
        figures = model.figures
        ui.print_(
            f"{model.name}: {len(model.genres)} genres of {figures['tracks']} tracks, learned "
            f"{learned} from {model.field}, {figures['accuracy']:.0%} right, {model.id}"
        )


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

        models.check_name(self._options.name)
        paths, examples, agreeing = self._hear(lib, query)
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
        self._show(paths, examples, lesson, agreeing)
        for warning in lesson.warnings:
            self._log.warning("{}", warning)
        if lesson.warnings and not self._options.force:
            raise UserError("nothing saved; --force saves it all the same")
        self._say_saved(models.save(model))
        return self._failures

    def _hear(
        self, lib: Library, query: Sequence[str]
    ) -> tuple[list[str], list[Example], list[bool]]:
        """Return paths, what is in them, and whether the bundled genres fit where they compare."""
        from genremodel.examples import Example

        labels = {item.id: found for item in lib.items(query) if (found := self._labels(item))}
        if not labels:
            raise UserError(f"no track of the query has {self._options.field} of your own")
        vocabulary = Vocabulary.of(labels.values(), self._options.min_tracks)
        if vocabulary.left_out:
            rare = sorted(vocabulary.left_out.items(), key=lambda label: (-label[1], label[0]))
            told = ", ".join(f"{label} ({count})" for label, count in rare)
            ui.print_(f"left out, fewer than {self._options.min_tracks} tracks: {told}")
        wanted = [id_ for id_, found in labels.items() if vocabulary(found)]
        paths, examples, agreeing = [], [], []
        with Bar(len(wanted), shown=is_terminal()) as bar:

            def fail(message: str) -> None:
                self._failures += 1
                with bar.hidden():
                    self._log.error("{}", message)

            for track, analysis in self._tagger.analyses(lib, wanted, fail):
                own = labels[track.id]
                example = Example.of(analysis, vocabulary(own), artist(track))
                bar.advance()
                if example is None:
                    continue
                paths.append(displayable_path(track.path))
                examples.append(example)
                votes = self._tagger.classifier.decide(analysis).votes
                fits = agreement(own, next(iter(votes)))
                if fits:
                    agreeing.append(fits == "agrees")
        return paths, examples, agreeing

    def _labels(self, track: Item) -> list[str]:
        """Return the labels of a track; a genre that the plugin gave it is none."""
        if self._options.field == fields.GENRES:
            return split(self._tagger.before(track))
        return split(track.get(self._options.field))

    def _show(
        self,
        paths: Sequence[str],
        examples: Sequence[Example],
        lesson: Lesson,
        agreeing: Sequence[bool],
    ) -> None:
        console = Console()
        table = Table("genre", box=None, pad_edge=False)
        for column in ("tracks", "artists", "precision", "recall"):
            table.add_column(column, justify="right")
        for genre in lesson.genres:
            table.add_row(
                Text(genre.genre), str(genre.tracks), str(genre.artists),
                f"{genre.precision:.2f}", f"{genre.recall:.2f}",
            )  # fmt: skip
        console.print(table)
        ui.print_(
            f"{lesson.tracks} tracks by {lesson.artists} artists; of artists that it has not "
            f"heard, {lesson.accuracy:.0%} of the tracks are named rightly"
        )
        tried = ", ".join(f"{name} {share:.0%}" for name, share in lesson.recalls.items())
        ui.print_(f"(always the commonest: {lesson.commonest:.0%}; genre by genre, {tried})")
        if lesson.right is not None:
            ui.print_(
                f"it is sure enough of {lesson.decided:.0%}, and right about {lesson.right:.0%} "
                f"of those; its confidence is off by {lesson.calibration_error:.2f}"
            )
        if 2 * len(agreeing) >= len(paths):
            bundled = sum(agreeing) / len(agreeing)
            ui.print_(
                f"the bundled genres fit {bundled:.0%} of the tracks, these {lesson.accuracy:.0%}"
            )
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
