"""`beet genreclf-explain`: why a track has its predicted genre."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beets import ui
from beets.exceptions import UserError
from beets.library import Album, Item, Library
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands._printing import print_rich
from beetsplug.genreclf.storage.selection import AlbumSelection
from beetsplug.genreclf.tagging import Failures, Tagger, Update
from genremodel.display import displayable, portable

if TYPE_CHECKING:
    from genremodel import Prediction


def explain(
    lib: Library,
    query: Sequence[str],
    tagger: Tagger,
    log: Logger,
    *,
    as_json: bool,
    plot: str | None,
) -> bool:
    """Show the windows, the vote and the policy for each track of a query; change nothing.

    as_json: one object a line instead. plot: also draw the only track of the query into this file.
    Returns whether all tracks could be heard. Raises UserError when there is nothing to plot, or
    when the file must not or cannot be written.
    """
    picture = None if plot is None else _Picture(plot)
    if picture and (count := len(lib.items(query))) != 1:
        raise UserError(f"--plot draws one track; the query has {count}")
    failures = Failures(log)
    for album, tracks, chosen in AlbumSelection(lib, query):
        asked = [track for track in tracks if track.id in chosen]
        one = album if album and tagger.is_one(album) else None
        heard = tagger.hear(tracks if one else asked, failures.report)
        for update in tagger.updates(one, asked, heard):
            item = update.model
            if isinstance(item, Album):
                continue
            if as_json:
                ui.print_(json.dumps(_object(item, heard[item.id], update, tagger)))
            else:
                _show(item, heard[item.id], update, tagger)
            if picture:
                picture.draw(item, heard[item.id])
    return not failures.count


def _object(item: Item, prediction: Prediction, update: Update, tagger: Tagger) -> dict[str, Any]:
    settings = tagger.settings
    return {
        "path": portable(item.path),
        **asdict(prediction),
        "min_confidence": tagger.classifier.min_confidence,
        "policy": {
            "genres": settings.policy,
            "scope": settings.scope,
            "before": update.before,
            "now": item.genres,
            "then": update.values[fields.GENRES],
            "agreement": update.values[fields.AGREEMENT],
        },
    }


def _show(item: Item, prediction: Prediction, update: Update, tagger: Tagger) -> None:
    print_rich(Text(displayable(item.path), style="bold"), soft_wrap=True)
    timeline = Table.grid(padding=(0, 2))
    for window in prediction.windows:
        minutes, seconds = divmod(int(window.start), 60)
        start = f"  {minutes}:{seconds:02}"
        if window.probability is None:
            timeline.add_row(start, "", "", Text("silent", style="dim"))
            continue
        bar = ProgressBar(total=1.0, completed=window.probability, width=24)
        timeline.add_row(start, bar, f"{window.probability:.2f}", Text(window.genre or ""))
    print_rich(timeline)
    for name, text in _facts(item, prediction, update, tagger).items():
        if text:
            print_rich(Text(f"  {name:<10}  {text}"), soft_wrap=True)


def _facts(
    item: Item, prediction: Prediction, update: Update, tagger: Tagger
) -> dict[str, str | None]:
    threshold = tagger.classifier.min_confidence
    confidence = prediction.confidence
    return {
        "votes": ", ".join(f"{genre} {count}" for genre, count in prediction.votes.items()),
        "confidence": (
            None if confidence is None else f"{confidence:.3f}, of which {threshold:.3f} is needed"
        ),
        "genre": prediction.genre or f"none: {prediction.reason}",
        "styles": ", ".join(prediction.styles),
        "agreement": update.values[fields.AGREEMENT],
        "policy": _policy(item, update, tagger),
        "model": prediction.model,
    }


def _policy(item: Item, update: Update, tagger: Tagger) -> str:
    """Tell what the policy made of the genres, and what it would make of them now."""
    now, then = ", ".join(item.genres) or "none", ", ".join(update.values[fields.GENRES]) or "none"
    policy = tagger.settings.policy
    would = f"{policy} keeps them" if now == then else f"{policy} makes them {then}"
    if update.before != item.genres:
        before = ", ".join(update.before) or "none"
        return f"genres were {before}, the plugin made them {now}; {would}"
    return f"genres are {now}; {would}"


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
        from genremodel.errors import AudioError
        from genremodel.plot import plot_timeline

        with _output_errors():
            try:
                plot_timeline(item.filepath, prediction, self._output, title=str(item))
            except (AudioError, ValueError) as exc:
                raise UserError(f"{displayable(item.path)}: {exc}") from exc


@contextmanager
def _output_errors() -> Iterator[None]:
    from genremodel.outputs import OutputError

    try:
        yield
    except OutputError as exc:
        raise UserError(str(exc)) from exc
