"""Lists and counts of a library, which may have any size.

The order of the albums is computed at the start and on request, so that an album does not move
while it is reviewed. Numbers come from the table of tracks in memory; names are read by SQL, for
the albums of a page only.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from beets.library import Library

from beetsplug.genreclf import fields
from beetsplug.genreclf.web.errors import Gone, Invalid
from beetsplug.genreclf.web.live_tracks import LiveTracks, connect
from beetsplug.genreclf.web.query_box import matching_ids, parse_words
from beetsplug.genreclf.web.searches import Searches
from beetsplug.genreclf.web.track_table import FILTERS, NO_ALBUM, Ids, Mask, TrackTable

_NAMES = "SELECT id, albumartist, album, year FROM albums"


@dataclass(frozen=True)
class _Order:
    """The ids of all albums in two orders."""

    by_doubt: tuple[int, ...]
    by_artist: tuple[int, ...]

    def get(self, name: str) -> tuple[int, ...]:
        """Return the order of a name that the page uses. Raises Invalid."""
        orders = {"doubt": self.by_doubt, "artist": self.by_artist}
        if name not in orders:
            raise Invalid(f"unknown order: {name}")
        return orders[name]


class LibraryReader:
    """Reads lists and counts of the tracks that a query matches.

    query: of the command line. threshold: the lowest confidence of confident predictions.
    """

    def __init__(self, lib: Library, query: Sequence[str], threshold: Callable[[], float]) -> None:
        self._lib = lib
        self._path = Path(os.fsdecode(lib.path))  # bytes before beets 2.14
        self._threshold = threshold
        self._query = [*query]
        self._selected = self._select()
        self._tracks = LiveTracks(self._path, self._selected)
        self._searches = Searches(lib)
        self._order: _Order | None = None
        self._ordering = threading.Lock()

    def close(self) -> None:
        """End what is done in the background."""
        self._searches.close()
        self._tracks.close()

    def sort_again(self) -> None:
        """Evaluate the query of the command line, and compute the order of the albums, again."""
        self._selected = self._select()
        self._tracks.select(self._selected)
        with self._ordering:
            self._order = self._compute_order()

    def changed(self, ids: Iterable[int]) -> None:
        """Count tracks again that this server has changed."""
        self._tracks.update({*ids})

    def is_selected(self, track_id: int) -> bool:
        """Return whether the query of the command line matches a track."""
        return self._selected is None or bool(np.isin(track_id, self._selected))

    def albums(
        self, *, show: str, order: str, query: str, after: str | None, limit: int
    ) -> dict[str, Any]:
        """Return a page of the albums with tracks that a filter shows, and the number of all."""
        if show not in FILTERS:
            raise Invalid(f"unknown filter: {show}")
        with self._ordering:
            self._order = self._order or self._compute_order()
            ids = self._order.get(order)
        start = 0
        if after is not None:
            try:
                start = ids.index(int(after)) + 1
            except ValueError as exc:
                raise Invalid("unknown album to continue after") from exc
        table = self._tracks.table
        counts = table.by_album(show, self._threshold(), _among(table, self._searches.get(query)))
        shown = {*counts.ids[counts.shown > 0].tolist()}
        wanted = [id_ for id_ in ids[start:] if id_ in shown]
        page = wanted[:limit]
        names = self._names(page)  # without albums that were removed a moment ago
        return {
            "albums": [names[id_] | counts.get(id_) for id_ in page if id_ in names],
            "next": str(page[-1]) if page and len(wanted) > limit else None,
            "total": len(shown.intersection(ids)),
        }

    def album_after(self, album_id: int, *, show: str, order: str, query: str) -> int | None:
        """Return the next album that `albums` lists."""
        found = self.albums(show=show, order=order, query=query, after=str(album_id), limit=1)
        return next((album["id"] for album in found["albums"]), None)

    def album(self, album_id: int) -> dict[str, Any]:
        """Return the names of an album. Raises Gone."""
        names = self._names([album_id])
        if album_id not in names:
            raise Gone("the album is not in the library any more")
        return names[album_id]

    def track_ids(self, album_id: int, *, query: str, after: int, limit: int) -> list[int]:
        """Return the ids of the tracks of an album in their order, or of those without one.

        after, limit: of those without an album, which may be many.
        """
        matching = self._searches.get(query)
        if album_id == NO_ALBUM:
            table = self._tracks.table
            rows = table.rows[_among(table, matching)]
            alone = rows["id"][(rows["album"] == NO_ALBUM) & (rows["id"] > after)]
            return [int(id_) for id_ in alone[:limit]]
        sql = "SELECT id FROM items WHERE album_id = :album ORDER BY disc, track, id"
        ids = np.array([id_ for (id_,) in self._read(sql, album=album_id)], np.int64)
        for limits in (self._selected, matching):
            if limits is not None:
                ids = ids[np.isin(ids, limits)]
        return [int(id_) for id_ in ids]

    def counts(self) -> dict[str, int]:
        """Return the number of tracks by the names of the filters, and some more."""
        return self._tracks.table.counts(self._threshold())

    def overview(self) -> dict[str, Any]:
        """Return the distributions of confidences and of predicted genres."""
        table = self._tracks.table
        genres = table.numbers("predicted")
        return {
            "histogram": table.histogram(),
            "genres": [{"genre": name, "tracks": genres[name]} for name in genres if name],
        }

    def genres(self) -> list[str]:
        """Return the genres in use, the most common first."""
        return self._tracks.table.genres

    def tracks_by_review(self) -> dict[str, int]:
        """Return the number of tracks by their review."""
        return self._tracks.table.numbers("review")

    def find_tracks(
        self, journal_ids: Collection[str], *, selected: bool = False
    ) -> list[tuple[int, str]]:
        """Return the ids of tracks with some journal ids, and these.

        selected: only those that the query of the command line matches, which is faster.
        """
        among = None
        if selected or self._selected is None:
            among = self._tracks.table.with_journal_ids(journal_ids)
        return self._find("item_attributes", fields.JOURNAL_ID, journal_ids, among)

    def find_albums(self, journal_ids: Collection[str]) -> list[tuple[int, str]]:
        """Return the ids of albums with some journal ids, and these."""
        name = fields.ALBUM_NAMES[fields.JOURNAL_ID]
        return self._find("album_attributes", name, journal_ids)

    def journal_ids_of_albums(self) -> list[str]:
        """Return the journal ids of all albums."""
        sql = "SELECT value FROM album_attributes WHERE key = :key"
        return [value for (value,) in self._read(sql, key=fields.ALBUM_NAMES[fields.JOURNAL_ID])]

    def _find(
        self, table: str, key: str, values: Collection[str], among: Sequence[int] | None = None
    ) -> list[tuple[int, str]]:
        among_ids = "1" if among is None else "entity_id IN (SELECT value FROM json_each(:among))"
        return self._read(
            f"SELECT entity_id, value FROM {table} WHERE key = :key AND {among_ids} "
            "AND value IN (SELECT value FROM json_each(:wanted)) ORDER BY entity_id",
            key=key,
            wanted=json.dumps([*values]),
            among=json.dumps(among),
        )

    def _select(self) -> Ids | None:
        """Return the ids of the tracks that the query of the command line matches."""
        return matching_ids(self._lib, parse_words(self._query)) if self._query else None

    def _names(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Return the names of albums by their ids."""
        sql = f"{_NAMES} WHERE id IN (SELECT value FROM json_each(:ids))"
        rows = self._read(sql, ids=json.dumps([*ids]))
        names = {row[0]: _album(*row) for row in rows}
        return names | {NO_ALBUM: _album(NO_ALBUM, None, None, None)}

    def _compute_order(self) -> _Order:
        """Sort albums by the sum of 1 - confidence over open tracks, then by their names."""
        doubts = self._tracks.table.doubts()
        names = {NO_ALBUM: ("", "", NO_ALBUM)}
        for id_, artist, album, _ in self._read(_NAMES):
            names[id_] = (artist or "").casefold(), (album or "").casefold(), id_
        by_artist = sorted(doubts.keys() & names.keys(), key=lambda id_: names[id_])
        by_doubt = sorted(by_artist, key=lambda id_: -round(doubts[id_], 6))
        return _Order(tuple(by_doubt), tuple(by_artist))

    def _read(self, sql: str, **values: Any) -> list[Any]:
        with closing(connect(self._path)) as connection:
            return connection.execute(sql, values).fetchall()


def _among(table: TrackTable, ids: Ids | None) -> Mask:
    """Return which tracks have some ids, all if None."""
    return np.ones(len(table.rows), bool) if ids is None else np.isin(table.rows["id"], ids)


def _album(id_: int, artist: str | None, album: str | None, year: int | None) -> dict[str, Any]:
    return {"id": id_, "albumartist": artist or "", "album": album or "", "year": year or None}
