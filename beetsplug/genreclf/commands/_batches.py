"""The tracks that `beet genreclf` treats together, and the analyses that they need."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from beets.library import Album, Item

from beetsplug.genreclf.fields import PREDICTED_GENRE, REVIEW, SCOPE
from beetsplug.genreclf.storage.objects import get_values

if TYPE_CHECKING:
    from concurrent.futures import Future

    from beetsplug.genreclf.commands._selection import Selection
    from beetsplug.genreclf.planner import Planner
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.updates import Predicted
    from beetsplug.genreclf.writer import Writer
    from genremodel import Analysis

_LOOKAHEAD = 64  # tracks that are analyzed while others are decided and written


@dataclass(frozen=True)
class Batch:
    """The tracks of an album or an artist, or a single track.

    selection: without the tracks that are left out; without albums if no selected one remains.
    unplaced: tracks that the query matches and that are left out because an import has yet to place
    their files in the library. skipped: others that it matches, left out by the option `skip`.
    wanted: the selected tracks that get a new prediction. lacking: those, and albums, that keep
    their prediction but may get other genres by the policy. outdated: selected tracks that get new
    predictions of other fields alone. pending: analyses by the ids of the tracks; empty if none is
    needed. for_others: the ids of those that only predictions of other fields need.
    """

    selection: Selection
    unplaced: list[Item]
    skipped: list[Item]
    wanted: list[Item]
    lacking: list[Item | Album]
    outdated: list[Item]
    pending: dict[int | None, Future[Analysis]]
    for_others: set[int | None]

    def split(
        self, predicted: Mapping[int | None, Predicted]
    ) -> tuple[dict[int | None, Predicted], dict[int | None, Predicted]]:
        """Return the predictions whose genres are needed, and those of the outdated tracks."""
        outdated = {item.id for item in self.outdated}
        return (
            {id_: own for id_, own in predicted.items() if id_ not in self.for_others},
            {id_: own for id_, own in predicted.items() if id_ in outdated},
        )

    def by_album(
        self, predicted: Mapping[int | None, Predicted]
    ) -> Iterator[tuple[Album | None, list[Item], dict[int | None, Predicted]]]:
        """Yield each album, or None, with its wanted tracks and the predictions of its tracks."""
        albums = {album.id: album for album in self.selection.albums}
        wanted = {item.id for item in self.wanted}
        tracks: dict[int | None, list[Item]] = {}
        for item in self.selection.items:
            if item.id in predicted:
                tracks.setdefault(item.album_id, []).append(item)
        for album_id, items in tracks.items():
            of_album = {item.id: predicted[item.id] for item in items}
            yield albums.get(album_id), [item for item in items if item.id in wanted], of_album


class Batches:
    """Finds out what tracks need.

    force: all get a new prediction. untagged: only tracks without genres do that the user has not
    decided about, and nothing else is needed.
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
            size += len(ahead[-1].selection.items)
            while size > _LOOKAHEAD:
                size -= len(ahead[0].selection.items)
                yield ahead.popleft()
        yield from ahead

    def _submit(self, selection: Selection) -> Batch:
        """Return a batch, whose analyses have been started."""
        unplaced = [item for item in selection.selected if self._writer.is_unplaced(item)]
        unplaced_ids = {item.id for item in unplaced}
        skipped_ids = {item.id for item in selection.items if self._is_skipped(item)} - unplaced_ids
        skipped = [item for item in selection.selected if item.id in skipped_ids]
        left_out = unplaced_ids | skipped_ids
        items = [item for item in selection.items if item.id not in left_out]
        selected = [item for item in items if item.id in selection.selected_ids]
        albums = selection.albums if selected else []
        wanted = [item for item in selected if self._is_wanted(item)]
        changing = {item.album_id for item in wanted}
        predicted = [
            album for album in albums if album.id in changing or self._needs_prediction(album)
        ]
        album_ids = {album.id for album in predicted}
        wanted_ids = {item.id for item in wanted}
        analyzed = [item for item in items if item.album_id in album_ids or item.id in wanted_ids]
        if any(map(self._planner.shares_genre, predicted)) and not self._untagged:
            wanted = selected
            wanted_ids = {item.id for item in wanted}
        tracks = [item for item in selected if item.id not in wanted_ids]
        outdated = [] if self._untagged else [*filter(self._predictor.lacks_others, tracks)]
        for_others = {item.id for item in outdated} - {item.id for item in analyzed}
        analyzed += [item for item in outdated if item.id in for_others]
        pending = self._predictor.submit(analyzed)
        known: list[Item | Album] = [*tracks]
        known += [album for album in albums if album.id not in album_ids]
        remaining = selection._replace(albums=albums, items=items)
        batch = Batch(remaining, unplaced, skipped, wanted, [], outdated, pending, for_others)
        return replace(batch, lacking=[] if self._untagged else self._lacking(batch, known))

    def _is_skipped(self, item: Item) -> bool:
        return not self._force and self._predictor.config.skips(item)

    def _is_wanted(self, item: Item) -> bool:
        if self._untagged:
            is_decided = get_values(item).get(REVIEW)
            return not is_decided and self._predictor.rules.are_missing(item.genres)
        return self._force or not self._predictor.is_current(item)

    def _needs_prediction(self, album: Album) -> bool:
        return not self._untagged and not self._predictor.is_current(album)

    def _lacking(self, batch: Batch, known: Sequence[Item | Album]) -> list[Item | Album]:
        """Return the tracks and albums that may lack the genres that the policy gives them."""
        if batch.selection.artist_ids:
            return self._differing(batch, known)
        shared = next(filter(self._planner.shares_genre, batch.selection.albums), None)
        return [obj for obj in known if self._planner.lacks_genres(obj, shared)]

    def _differing(self, batch: Batch, known: Sequence[Item | Album]) -> list[Item | Album]:
        """Return those that may not have the genre of their artist.

        That is not known without its prediction, which takes a while for an artist with many
        tracks. So none of them do if the plugin gave the genre of the artist to all tracks that
        follow the artist, or if all tracks of the artist abstain.
        """
        selection = batch.selection
        tracks = selection.artist_items
        replaceable = {item.id: self._planner.replaceable_genres(item) for item in tracks}
        following = {id_: genres for id_, genres in replaceable.items() if genres is not None}
        given = {*following.values()}
        scopes = {get_values(item).get(SCOPE) for item in tracks if item.id in following}
        are_equal = len(given) <= 1 and frozenset() not in given and scopes <= {"artist"}
        abstain = not any(get_values(item).get(PREDICTED_GENRE) for item in tracks)
        if (are_equal or abstain) and not batch.wanted:
            return []
        mixed = {item.album_id for item in selection.items if item.id not in selection.artist_ids}
        return [
            obj
            for obj in known
            if (
                obj.id in following
                if isinstance(obj, Item)
                else obj.id not in mixed and self._planner.replaceable_genres(obj) is not None
            )
        ]
