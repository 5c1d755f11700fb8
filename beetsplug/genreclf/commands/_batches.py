"""The tracks that `beet genreclf` treats together, and the analyses that they need."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beets.library import Album, Item

if TYPE_CHECKING:
    from concurrent.futures import Future

    from beetsplug.genreclf.commands._selection import Selection
    from beetsplug.genreclf.planner import Planner
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.writer import Writer
    from genremodel import Analysis

_LOOKAHEAD = 64  # tracks that are analyzed while others are decided and written


@dataclass(frozen=True)
class Batch:
    """The tracks of an album, or a single track.

    items: all whose files are in the library, but those that the option `skip` matches. unplaced:
    those that the query matches whose files an import has yet to place there. skipped: those that
    the query and `skip` match. selected: the others that the query matches. wanted: those of them
    that get a new prediction. lacking: those, or the album, that keep their prediction but get
    the genres of the policy. pending: analyses by the ids of the tracks; empty if none is needed.
    """

    album: Album | None
    items: list[Item]
    unplaced: list[Item]
    skipped: list[Item]
    selected: list[Item]
    wanted: list[Item]
    lacking: list[Item | Album]
    pending: dict[int | None, Future[Analysis]]


class Batches:
    """Finds out what tracks need.

    force: all get a new prediction. untagged: only tracks without genres do, and nothing else is
    needed.
    """

    def __init__(
        self,
        predictor: Predictor,
        planner: Planner,
        writer: Writer,
        *,
        force: bool,
        untagged: bool,
    ) -> None:
        self._predictor = predictor
        self._planner = planner
        self._writer = writer
        self._force = force
        self._untagged = untagged

    def submit_ahead(self, selections: Iterable[Selection]) -> Iterator[Batch]:
        """Yield batches in order, once enough tracks behind them are being analyzed."""
        ahead = deque[Batch]()
        size = 0
        for selection in selections:
            ahead.append(self._submit(selection))
            size += len(ahead[-1].items)
            while size > _LOOKAHEAD:
                size -= len(ahead[0].items)
                yield ahead.popleft()
        yield from ahead

    def _submit(self, selection: Selection) -> Batch:
        """Return a batch, whose analyses have been started."""
        album = selection.album
        unplaced = [item for item in selection.selected if self._writer.is_unplaced(item)]
        placed = [item for item in selection.items if item not in unplaced]
        items = [item for item in placed if not self._is_skipped(item)]
        selected = [item for item in items if item.id in selection.selected_ids]
        skipped = [
            item
            for item in placed
            if item.id in selection.selected_ids and item not in items
        ]
        wanted = [item for item in selected if self._is_wanted(item)]
        if wanted or (selected and self._needs_prediction(album)):
            pending = self._predictor.submit(items)
            if album and self._planner.shares_genre(album) and not self._untagged:
                wanted = selected
            known: list[Item | Album] = [item for item in selected if item not in wanted]
        else:
            pending = {}
            known = [*selected, *([album] if album and selected else [])]
        lacking = self._lacking(album, known)
        return Batch(album, items, unplaced, skipped, selected, wanted, lacking, pending)

    def _is_skipped(self, item: Item) -> bool:
        return not self._force and self._predictor.config.skips(item)

    def _is_wanted(self, item: Item) -> bool:
        if self._untagged:
            return self._predictor.rules.are_missing(item.genres)
        return self._force or not self._predictor.is_current(item)

    def _needs_prediction(self, album: Album | None) -> bool:
        return bool(album and not self._untagged and not self._predictor.is_current(album))

    def _lacking(self, album: Album | None, known: Iterable[Item | Album]) -> list[Item | Album]:
        """Return the tracks, and the album, that lack the genres that the policy gives them."""
        if self._untagged:
            return []
        shared = album if album and self._planner.shares_genre(album) else None
        return [obj for obj in known if self._planner.lacks_genres(obj, shared or obj)]
