"""`beet genreclf --review --field FIELD`: review predictions that tracks have, album by album."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from beets.exceptions import UserError
from beets.library import Item, Library
from beets.util import displayable_path

from beetsplug.genreclf.commands import user_errors
from beetsplug.genreclf.commands._selection import NO_MATCHES, TrackSelection
from beetsplug.genreclf.commands.review import ask_about_field
from beetsplug.genreclf.decisions import (
    Decision,
    DecisionError,
    decide_on_field,
    is_field_open,
    version,
)
from beetsplug.genreclf.fields import FieldSet
from beetsplug.genreclf.messages import count
from beetsplug.genreclf.sources import why_not_reviewed
from beetsplug.genreclf.storage.objects import get_values, reload
from beetsplug.genreclf.storage.snapshot import take_snapshot

if TYPE_CHECKING:
    from logging import Logger

    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.storage.journal import Journal
    from beetsplug.genreclf.writer import Writer

_OUTCOMES = {"accept": "updated", "keep": "kept", "correct": "edited"}


def review_field(
    context: Context, lib: Library, field: str, query: Sequence[str], *, match_albums: bool
) -> None:
    """Ask about the predictions of tracks that have no value and no decision. Raises UserError."""
    if problem := why_not_reviewed(field):
        raise UserError(f"{field} cannot be reviewed: {problem}")
    selection = TrackSelection(lib, query, match_albums=match_albums)
    if not selection.total:
        context.log.info(NO_MATCHES)
        return
    with user_errors(), context.predictor(lib, bundled=True) as predictor:
        writer = context.writer(lib, predictor, "genreclf")
        review = _FieldReview(writer, context.journal(lib), context.log, field)
        try:
            for group in selection:
                if not review.ask(group.selected):
                    break
        finally:
            context.show_summary(review.summary())


class _FieldReview:
    """Asks about the tracks of albums, and makes the decisions."""

    def __init__(self, writer: Writer, journal: Journal, log: Logger, field: str) -> None:
        self._writer = writer
        self._journal = journal
        self._log = log
        self._own = FieldSet.of(field)
        self._counts = Counter[str]()
        self._has_asked = False

    def ask(self, tracks: Sequence[Item]) -> bool:
        """Ask about the tracks of an album; return False if the user quits."""
        tracks = [track for track in tracks if is_field_open(track, self._own)]
        if not any(get_values(track).get(self._own.value) for track in tracks):
            return True
        self._has_asked = True
        answer = ask_about_field(tracks, self._own)
        if answer.choice == "quit":
            return False
        if answer.choice == "skip":
            self._counts["skipped"] += len(tracks)
            return True
        for track in tracks:
            self._counts[self._decide(track, answer.choice, answer.labels)] += 1
        return True

    def summary(self) -> str:
        """Return the counts in one line."""
        counts, field = self._counts, self._own.source
        if not self._has_asked:
            return f"nothing to review: no matching track without {field} has a predicted {field}"
        parts = [f"{count(counts['updated'], 'track')} updated"]
        optional = ("abstained", "kept", "edited", "skipped")
        return ", ".join(parts + [f"{counts[name]} {name}" for name in optional if counts[name]])

    def _decide(self, track: Item, decision: Decision, labels: Sequence[str]) -> str:
        """Make a decision; return its outcome."""
        with self._writer.lock():
            now = reload(track)
            if (
                not isinstance(now, Item)
                or version(now) != version(track)
                or not is_field_open(now, self._own)
            ):
                path = displayable_path(track.path)
                self._log.warning("{}: skipped: changed by another command in the meantime", path)
                return "skipped"
            snapshot = take_snapshot(self._journal, now)
            try:
                update = decide_on_field(snapshot, self._own, decision, labels)
            except DecisionError:  # there is nothing to accept
                return "abstained"
            self._writer.make(update, write=False)
        return _OUTCOMES[decision]
