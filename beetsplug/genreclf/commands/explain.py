"""The `genreclf-explain` command: show why tracks have their predicted genre."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from beets import ui
from beets.exceptions import UserError
from beets.library import Album, Item, Library

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands import user_errors
from beetsplug.genreclf.commands._printing import print_rich
from beetsplug.genreclf.commands._progress import Failures
from beetsplug.genreclf.planning import Planner
from beetsplug.genreclf.storage.selection import NO_MATCHES, AlbumSelection

if TYPE_CHECKING:
    from rich.table import Table

    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.prediction import Predictor
    from beetsplug.genreclf.updates import Update
    from genremodel import Prediction


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
    with user_errors(), context.predictor(lib) as predictor:
        if not _explain(context, lib, query, predictor, options):
            context.fail("some tracks could not be explained")


def _explain(
    context: Context,
    lib: Library,
    query: Sequence[str],
    predictor: Predictor,
    options: ExplainOptions,
) -> bool:
    """Explain each track of a query; return whether all could be analyzed.

    Raises UserError where there is not one track to plot, or where the picture must not or cannot
    be written.
    """
    selection = AlbumSelection(lib, query, match_albums=options.album)
    picture = None if options.plot is None else _Picture(options.plot)
    if picture and selection.total != 1:
        raise UserError(f"--plot draws one track; the query has {selection.total}")
    if not selection.total:
        context.log.warning(NO_MATCHES)
    planner, failures = Planner(predictor, context.journal(lib)), Failures(context.log)
    for group in selection:
        album = group.album if group.album and planner.shares_genre(group.album) else None
        needed = group.items if album else group.selected
        predicted = predictor.predict(needed, failures.report)
        for update in planner.plan(album, group.selected, predicted):
            item = update.obj
            if isinstance(item, Album):
                continue
            prediction = predicted[item.id].prediction
            if options.json:
                ui.print_(json.dumps(_as_object(item, prediction, update, predictor)))
            else:
                _show(format(item, options.format or ""), item, prediction, update, predictor)
            if picture:
                picture.draw(item, prediction)
    return not failures.count


def _as_object(
    item: Item, prediction: Prediction, update: Update, predictor: Predictor
) -> dict[str, Any]:
    from genremodel.display import portable

    config = predictor.config
    return {
        "path": portable(item.path),
        **asdict(prediction),
        "min_confidence": predictor.classifier.min_confidence,
        "genres": {
            "policy": config.policy,
            "scope": config.scope,
            "before": update.before.genres_before,
            "now": item.genres,
            "then": update.values[fields.GENRES],
            "agreement": update.values[fields.AGREEMENT],
        },
    }


def _show(
    title: str, item: Item, prediction: Prediction, update: Update, predictor: Predictor
) -> None:
    from rich.text import Text

    from genremodel.display import one_line

    print_rich(Text(one_line(title), style="bold"), soft_wrap=True)
    print_rich(_timeline(prediction))
    for name, value in _facts(item, prediction, update, predictor):
        if value:
            print_rich(Text(f"  {name:<13}  {value}"), soft_wrap=True)


def _timeline(prediction: Prediction) -> Table:
    """Return a row for each window: its start, the probability of its genre, and the genre."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    timeline = Table.grid(padding=(0, 2))
    for window in prediction.windows:
        minutes, seconds = divmod(int(window.start), 60)
        start = f"  {minutes}:{seconds:02}"
        if window.probability is None:
            timeline.add_row(start, "", "", Text("silent", style="dim"))
            continue
        bar = ProgressBar(total=1.0, completed=window.probability, width=24)
        timeline.add_row(start, bar, f"{window.probability:.2f}", Text(window.genre or ""))
    return timeline


def _facts(
    item: Item, prediction: Prediction, update: Update, predictor: Predictor
) -> Iterator[tuple[str, str | None]]:
    """Yield the names and values of all that explains a prediction."""
    then = update.values[fields.GENRES]
    policy = predictor.config.policy
    yield "votes", ", ".join(f"{genre} {votes}" for genre, votes in prediction.votes.items())
    if prediction.confidence is not None:
        threshold = predictor.classifier.min_confidence
        yield "confidence", f"{prediction.confidence:.3f} (threshold {threshold:.3f})"
    yield "genre", prediction.genre or f"none ({prediction.reason})"
    if prediction.genre is None:
        yield "most probable", _most_probable(prediction)
    yield "styles", ", ".join(prediction.styles)
    yield "agreement", update.values[fields.AGREEMENT]
    if (before := update.before.genres_before) != item.genres:
        yield "genres", f"{_listed(before)} -> {_listed(item.genres)} (set by genreclf)"
    else:
        yield "genres", _listed(item.genres)
    yield "policy", f"{policy} keeps them" if then == item.genres else f"{policy}: {_listed(then)}"
    yield "model", prediction.model


def _most_probable(prediction: Prediction) -> str:
    """Return the two most probable genres and their probabilities."""
    probabilities = prediction.probabilities
    genres = sorted(probabilities, key=lambda genre: -probabilities[genre])[:2]
    return ", ".join(f"{genre} {probabilities[genre]:.2f}" for genre in genres)


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
