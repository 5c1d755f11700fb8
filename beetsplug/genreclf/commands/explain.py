"""The `genreclf-explain` command: show why tracks have their predicted genre."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from beets import ui
from beets.exceptions import UserError
from beets.library import Item, Library

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands import user_errors
from beetsplug.genreclf.commands._printing import print_rich
from beetsplug.genreclf.commands._progress import Failures
from beetsplug.genreclf.commands._selection import NO_MATCHES, Selection, TrackSelection, artists
from beetsplug.genreclf.planner import Planner
from beetsplug.genreclf.updates import most_probable, votes_text

if TYPE_CHECKING:
    from rich.table import Table

    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.updates import Predicted, Rules, Update
    from genremodel import GenreClassifier, Prediction
    from genremodel.album_decision import AlbumDecision, Objection
    from genremodel.runs import Run


_OBJECTIONS: dict[Objection, str] = {  # of an album to decide for its tracks
    "compilation": "it is a compilation",
    "artists": "fewer than three quarters of its tracks are by the album artist",
    "votes": "fewer than two of its tracks vote",
    "majority": "its genre wins in fewer than half of the tracks that vote",
}


class ExplainOptions(Protocol):
    """The options of `beet genreclf-explain`."""

    album: bool
    format: str | None
    json: bool
    plot: str | None


def command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-explain`."""
    explain = ui.Subcommand("genreclf-explain", help="show why tracks have their predicted genre")
    explain.parser.add_option(
        "--json",
        action="store_true",
        default=False,
        help="print one JSON object per line for each track",
    )
    explain.parser.add_option(
        "--plot",
        default=None,
        metavar="FILE.png",
        help="draw the windows of one track over its spectrogram",
    )
    explain.parser.add_all_common_options()
    explain.func = partial(_run, context)
    return explain


def _run(context: Context, lib: Library, options: ExplainOptions, query: list[str]) -> None:
    if not query:
        raise UserError("missing query: beet genreclf-explain QUERY")
    selection = TrackSelection(
        lib, query, match_albums=options.album, artists=artists(lib, context.config())
    )
    if not selection.total:
        context.log.info(NO_MATCHES)
        return
    picture = None if options.plot is None else _Picture(options.plot)
    if picture and selection.total != 1:
        raise UserError(f"--plot draws one track; the query matches {selection.total}")
    failures = Failures(context.log)
    with user_errors(), context.predictor(lib) as predictor:
        planner = Planner(predictor, context.journal(lib), respell=True)
        for group in selection:
            for explanation in _explanations(group, predictor, planner, failures):
                if options.json:
                    ui.print_(json.dumps(explanation.as_object()))
                else:
                    explanation.show(options.format or "")
                if picture:
                    picture.draw(explanation.item, explanation.prediction)
    if failures.count:
        context.fail("some tracks could not be explained")


def _explanations(
    group: Selection, predictor: Predictor, planner: Planner, failures: Failures
) -> Iterator[Explanation]:
    """Yield the explanations of the selected tracks that can be analyzed."""
    album = next(filter(planner.may_decide, group.albums), None)
    predicted = predictor.predict(group.selected, failures.report)
    if album:
        others = [item for item in group.items if item.id not in group.selected_ids]
        predicted |= predictor.predict(others, failures.warn)
    recalled = predictor.recall_others(group.artist_items, predicted)
    artist_prediction = predictor.predict_artist(group.artist_items, {**predicted, **recalled})
    by_artist = dict.fromkeys(group.artist_ids, artist_prediction) if artist_prediction else None
    decision = planner.decision(album, predicted) if album else None
    for update in planner.plan(album, group.selected, predicted, by_artist):
        item = update.obj
        if isinstance(item, Item):
            yield Explanation(
                item,
                predicted[item.id],
                predictor.classifier,
                update,
                predictor.rules,
                decision,
            )


@dataclass(frozen=True)
class Explanation:
    """The predictions of a track, and what the configuration makes of its genres.

    update: what `beet genreclf --force` would change, by these rules. decision: of the album, with
    the scope `auto`.
    """

    item: Item
    predicted: Predicted
    classifier: GenreClassifier
    update: Update
    rules: Rules
    decision: AlbumDecision | None

    @property
    def prediction(self) -> Prediction:
        """The prediction of the genre of the track itself."""
        return self.predicted.prediction

    def as_object(self) -> dict[str, Any]:
        """Return the explanation as a JSON object."""
        from genremodel.display import portable

        return {
            "path": portable(self.item.path),
            **asdict(self.prediction),
            "styles": self.styles,
            "runs": [asdict(run) for run in self.runs],
            "backend": self.classifier.backend,
            "min_confidence": self.classifier.min_confidence,
            "genres": {
                "policy": self.rules.config.policy,
                "scope": self.rules.config.scope,
                "before": self.update.before.genres_before,
                "now": self.item.genres,
                "then": self.update.values[fields.GENRES],
                "agreement": self.update.values[fields.AGREEMENT],
                "review": self.update.before.review,
                "joint": _joint_object(self.update),
                "joint_objection": self.refusal and self.refusal.objection,
                "skipped": self.rules.config.skips(self.item),
            },
            "other_fields": {
                own.source: _other_object(prediction)
                for own, prediction in self.predicted.others.items()
            },
        }

    @property
    def runs(self) -> list[Run]:
        """The runs of windows with one genre."""
        from genremodel.runs import genre_runs

        return genre_runs(self.prediction.windows, self.item.length)

    @property
    def styles(self) -> list[str]:
        """The styles that fit the genre that the track gets."""
        return [*(self.update.values[fields.STYLES] or ())]

    @property
    def refusal(self) -> AlbumDecision | None:
        """The decision of the album if it could decide for the track, and does not."""
        from genremodel.album_decision import is_uncertain

        decision = self.decision
        if decision and decision.objection and is_uncertain(self.prediction):
            return decision
        return None

    def show(self, title_format: str) -> None:
        """Print the title of the track, a timeline of the windows, and a table of facts."""
        from rich.text import Text

        from genremodel.display import one_line

        title = one_line(format(self.item, title_format))
        print_rich(Text(title, style="bold"), soft_wrap=True)
        if self.prediction.windows:
            print_rich(_timeline(self.prediction))
        for name, value in self.facts():
            if value:
                print_rich(Text(f"  {name:<13}  {value}"), soft_wrap=True)

    def facts(self) -> Iterator[tuple[str, str | None]]:
        """Yield the names and values of the table."""
        prediction, now = self.prediction, self.item.genres
        before = self.update.before.genres_before
        then = self.update.values[fields.GENRES]
        yield "runs", ", ".join(map(_run_text, self.runs))
        yield "votes", self.update.values[fields.VOTES]
        if prediction.confidence is not None:
            threshold = f"(threshold {self.classifier.min_confidence:.3f})"
            yield "confidence", f"{prediction.confidence:.3f} {threshold}"
        yield "genre", self._genre(prediction)
        if prediction.genre is None:
            yield "most probable", most_probable(prediction)
        yield "styles", ", ".join(self.styles)
        yield "agreement", self.update.values[fields.AGREEMENT]
        change = "" if before == now else f"{_listed(before)} -> "
        yield "genres", f"{change}{_listed(now)}{' (set by genreclf)' if change else ''}"
        yield "review", self.update.before.review
        if joint := self.update.joint:
            confidence = f" ({joint.confidence:.3f})" if joint.confidence is not None else ""
            votes = votes_text(joint.votes)
            yield self.update.values[fields.SCOPE], f"{self._genre(joint)}{confidence}: {votes}"
        if self.refusal:
            yield "album", f"does not decide, because {self._objection(self.refusal)}"
        effect = "no change" if then == now else _listed(then)
        yield "policy", f"{self.rules.config.policy}: {effect}"
        for own, other in self.predicted.others.items():
            yield own.source, _other_text(other)
        if self.rules.config.skips(self.item):
            yield "skip", "matched: only `beet genreclf -f` classifies the track"
        yield "model", prediction.model
        yield "backend", self.classifier.backend

    def _objection(self, decision: AlbumDecision) -> str:
        """Return why an album does not decide for its uncertain tracks."""
        if decision.objection == "confidence":
            found, threshold = decision.album.confidence, self.classifier.min_album_confidence
            shown = "" if found is None else f" of {found:.3f}"
            return f"its confidence{shown} is below the threshold of {threshold:.3f}"
        assert decision.objection
        return _OBJECTIONS[decision.objection]

    def _genre(self, prediction: Prediction) -> str:
        """Return a predicted genre, and its spelling in tags where not only the case differs."""
        genre = prediction.genre
        if genre is None:
            return f"none ({prediction.reason})"
        spelled = self.rules.spelled(genre)
        return genre if spelled.lower() == genre.lower() else f"{genre}, written as {spelled}"


def _joint_object(update: Update) -> dict[str, Any] | None:
    """Return the prediction of the album or artist whose genre a track gets."""
    if not update.joint:
        return None
    names = ("genre", "confidence", "reason", "votes")
    return {
        "scope": update.values[fields.SCOPE],
        **{name: getattr(update.joint, name) for name in names},
    }


def _other_object(prediction: Prediction) -> dict[str, Any]:
    """Return the prediction of another field."""
    names = ("confidence", "reason", "votes", "probabilities", "model")
    return {"value": prediction.genre, **{name: getattr(prediction, name) for name in names}}


def _other_text(prediction: Prediction) -> str:
    """Return the prediction of another field, its confidence, its votes and the model."""
    value = prediction.genre or f"none ({prediction.reason})"
    confidence = "" if prediction.confidence is None else f" ({prediction.confidence:.3f})"
    votes = prediction.votes and f": {votes_text(prediction.votes)}"
    return f"{value}{confidence}{votes or ''}; model {prediction.model}"


def _timeline(prediction: Prediction) -> Table:
    """Return a row for each window: its start, the probability of its genre, and the genre."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    timeline = Table.grid(padding=(0, 2))
    for window in prediction.windows:
        start = f"  {_minutes(window.start)}"
        if window.probability is None:
            timeline.add_row(start, "", "", Text("silent", style="dim"))
            continue
        bar = ProgressBar(total=1.0, completed=window.probability, width=24)
        timeline.add_row(start, bar, f"{window.probability:.2f}", Text(window.genre or ""))
    return timeline


def _run_text(run: Run) -> str:
    return f"{_minutes(run.start)}-{_minutes(run.end)} {run.genre or 'silent'}"


def _minutes(seconds: float) -> str:
    return "{}:{:02}".format(*divmod(int(seconds), 60))


def _listed(genres: Sequence[str]) -> str:
    return ", ".join(genres) or "none"


class _Picture:
    """The output file of `--plot`. Raises UserError where it must not or cannot be written."""

    def __init__(self, file: str) -> None:
        try:
            from genremodel.plot import picture
        except ImportError as exc:
            raise UserError(f"--plot needs matplotlib: pip install matplotlib ({exc})") from exc
        self._output = picture(Path(file))
        with _output_errors():
            self._output.check()

    def draw(self, item: Item, prediction: Prediction) -> None:
        """Draw the timeline of a track. Raises UserError too where it cannot be decoded."""
        from genremodel.display import displayable
        from genremodel.errors import AudioError
        from genremodel.plot import plot_timeline

        with _output_errors():
            try:
                plot_timeline(item.filepath, prediction, self._output, title=str(item))
            except (AudioError, ValueError) as exc:
                raise UserError(f"{displayable(item.path)}: {exc}") from exc


@contextmanager
def _output_errors() -> Iterator[None]:
    from genremodel.output_files import OutputError

    try:
        yield
    except OutputError as exc:
        raise UserError(str(exc)) from exc
