"""Lists and counts of a library, read by SQL: libraries may have any size.

The order of the albums is computed at the start and on request, so that an album does not move
while it is reviewed. A page of a list is a slice of that order, and values are read for its albums
only.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from beets.dbcore import types
from beets.library import Library

from beetsplug.genreclf import fields
from beetsplug.genreclf.web.errors import Gone, Invalid
from beetsplug.genreclf.web.query_box import Matches, matches, parse_text

NO_ALBUM = 0  # the id of the list of tracks without an album
HISTOGRAM_BINS = 20

_KEPT_SECONDS = 2.0  # of counts
_CHUNK = 256  # albums whose values are read at once
_MAX_KEPT_QUERIES = 8
_IS_ALONE = "(items.album_id IS NULL OR items.album_id NOT IN (SELECT id FROM albums))"
_ATTRIBUTES = {
    "model": fields.MODEL,
    "review": fields.REVIEW,
    "confidence": fields.CONFIDENCE,
    "agreement": fields.AGREEMENT,
    "predicted": fields.PREDICTED_GENRE,
}
_JOINS = "".join(
    f" LEFT JOIN item_attributes AS {name} ON {name}.entity_id = items.id AND {name}.key = '{key}'"
    for name, key in _ATTRIBUTES.items()
)
_IS_REVIEWED = "COALESCE(review.value, '') != ''"
_IS_OPEN = f"(COALESCE(model.value, '') != '' AND NOT {_IS_REVIEWED})"
_CONFIDENCE = "CAST(confidence.value AS REAL)"
_IS_CONFIDENT = f"COALESCE(predicted.value, '') != '' AND COALESCE({_CONFIDENCE} >= :threshold, 0)"
FILTERS = {  # conditions on tracks, by the names that the page uses
    "open": _IS_OPEN,
    "confident": f"{_IS_OPEN} AND {_IS_CONFIDENT}",
    "doubtful": f"{_IS_OPEN} AND NOT ({_IS_CONFIDENT})",
    "differs": f"{_IS_OPEN} AND COALESCE(agreement.value, '') = 'differs'",
    "agreed": f"{_IS_OPEN} AND COALESCE(agreement.value, '') = 'agrees'",
    "abstained": f"{_IS_OPEN} AND COALESCE(predicted.value, '') = ''",
    "nogenre": f"{_IS_OPEN} AND COALESCE(items.genres, '') = ''",
    "reviewed": _IS_REVIEWED,
    "unpredicted": "COALESCE(model.value, '') = ''",
    "all": "1",
}
T = TypeVar("T")


@dataclass(frozen=True)
class _Order:
    """The ids of all albums in two orders, and the place of each."""

    by_doubt: tuple[int, ...]
    by_artist: tuple[int, ...]

    def get(self, name: str) -> tuple[int, ...]:
        """Return the order of a name that the page uses. Raises Invalid."""
        orders = {"doubt": self.by_doubt, "artist": self.by_artist}
        if name not in orders:
            raise Invalid(f"unknown order: {name}")
        return orders[name]


class _Kept:
    """Values that are computed again after some seconds."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[float, Any]] = {}

    def get(self, name: str, compute: Callable[[], T], seconds: float = _KEPT_SECONDS) -> T:
        made, value = self._values.get(name, (float("-inf"), None))
        if time.monotonic() - made > seconds:
            value = compute()
            if len(self._values) > _MAX_KEPT_QUERIES:
                self._values.clear()
            self._values[name] = time.monotonic(), value
        return value

    def clear(self) -> None:
        self._values.clear()


class LibraryReader:
    """Reads lists and counts of the tracks that a query matches.

    query: of the command line. threshold: the lowest confidence of confident predictions.
    """

    def __init__(self, lib: Library, query: Sequence[str], threshold: Callable[[], float]) -> None:
        self._lib = lib
        self._path = Path(os.fsdecode(lib.path))  # bytes before beets 2.14
        self._threshold = threshold
        self._query = [*query]
        self._select()
        self._kept = _Kept()
        self._queries = _Kept()
        self._order = self._compute_order()

    def sort_again(self) -> None:
        """Evaluate the query of the command line, and compute the order of the albums, again."""
        self._select()
        self._order = self._compute_order()

    def changed(self) -> None:
        """Forget the counts, because this server has changed tracks."""
        self._kept.clear()

    def is_selected(self, track_id: int, album_id: int | None) -> bool:
        """Return whether the query of the command line matches a track."""
        if self._selected is None:
            return True
        places = {album_id or NO_ALBUM, NO_ALBUM}  # the album may have been removed
        return any(track_id in self._selected.get(place, ()) for place in places)

    def albums(
        self, *, show: str, order: str, query: str, after: str | None, limit: int
    ) -> dict[str, Any]:
        """Return a page of the albums with tracks that a filter shows."""
        if show not in FILTERS:
            raise Invalid(f"unknown filter: {show}")
        ids = self._order.get(order)
        start = 0
        if after is not None:
            try:
                start = ids.index(int(after)) + 1
            except ValueError as exc:
                raise Invalid("unknown album to continue after") from exc
        only = self._matching(query)
        found: list[dict[str, Any]] = []
        for values in self._walk(ids[start:], show, only):
            if len(found) == limit:
                return {"albums": found, "next": str(found[-1]["id"]), "total": None}
            found.append(values)
        return {"albums": found, "next": None, "total": len(found) if after is None else None}

    def album(self, album_id: int) -> dict[str, Any]:
        """Return the names of an album. Raises Gone."""
        if album_id == NO_ALBUM:
            return _album(NO_ALBUM, None, None, None)
        sql = "SELECT id, albumartist, album, year FROM albums WHERE id = :id"
        rows = self._read(sql, id=album_id)
        if not rows:
            raise Gone("the album is not in the library any more")
        return _album(*rows[0])

    def track_ids(self, album_id: int, *, query: str, after: int, limit: int) -> list[int]:
        """Return the ids of the tracks of an album in their order, or of those without one.

        after, limit: of those without an album, which may be many.
        """
        among = self._in_chunk([album_id], self._matching(query))
        chosen = "1" if among is None else "id IN (SELECT value FROM json_each(:among))"
        if album_id == NO_ALBUM:
            place, order = f"{_IS_ALONE} AND id > :after", "id LIMIT :number"
        else:
            place, order = "album_id = :album", "disc, track, id"
        rows = self._read(
            f"SELECT id FROM items WHERE {place} AND {chosen} ORDER BY {order}",
            album=album_id,
            after=after,
            number=limit,
            among=json.dumps(among or []),
        )
        return [id_ for (id_,) in rows]

    def counts(self) -> dict[str, int]:
        """Return the number of tracks by the names of the filters, and some more."""
        return self._kept.get("counts", self._count)

    def overview(self) -> dict[str, Any]:
        """Return the distributions of confidences and of predicted genres."""
        return self._kept.get("overview", self._overview)

    def genres(self) -> list[str]:
        """Return the genres in use, the most common first."""
        return self._kept.get("genres", self._genres, seconds=30)

    def find_tracks(self, journal_ids: Iterable[str]) -> list[tuple[int, str]]:
        """Return the ids of tracks with some journal ids, and these."""
        return self._find("item_attributes", fields.JOURNAL_ID, journal_ids)

    def find_albums(self, journal_ids: Iterable[str]) -> list[tuple[int, str]]:
        """Return the ids of albums with some journal ids, and these."""
        name = fields.ALBUM_NAMES[fields.JOURNAL_ID]
        return self._find("album_attributes", name, journal_ids)

    def tracks_by_review(self) -> dict[str, int]:
        """Return the number of tracks by their review."""
        return self._kept.get("reviews", self._count_reviews)

    def _count_reviews(self) -> dict[str, int]:
        sql = (
            "SELECT value, COUNT(*) FROM item_attributes WHERE key = :key AND value != '' "
            f"{self._among('entity_id')} GROUP BY value"
        )
        return dict(self._read(sql, key=fields.REVIEW))

    def _find(self, table: str, key: str, values: Iterable[str]) -> list[tuple[int, str]]:
        return self._read(
            f"SELECT entity_id, value FROM {table} WHERE key = :key "
            "AND value IN (SELECT value FROM json_each(:wanted)) ORDER BY entity_id",
            key=key,
            wanted=json.dumps([*values]),
        )

    def _select(self) -> None:
        """Find the tracks that the query of the command line matches."""
        selected = matches(self._lib, self._query) if self._query else None
        self._selected_json = json.dumps([id_ for ids in (selected or {}).values() for id_ in ids])
        self._selected = selected

    def _walk(
        self, ids: Sequence[int], show: str, only: Matches | None
    ) -> Iterator[dict[str, Any]]:
        """Yield the values of the albums that have shown tracks, in order."""
        if only is not None:
            ids = [id_ for id_ in ids if id_ in only]
        size = _CHUNK
        while ids:
            chunk, ids = ids[:size], ids[size:]
            size *= 2  # few albums have such tracks
            values = {}
            among = self._in_chunk(chunk, only)
            for row in self._album_rows(chunk, show, among):
                values[row["id"]] = row
            yield from (values[id_] for id_ in chunk if id_ in values)

    def _in_chunk(self, chunk: Sequence[int], only: Matches | None) -> list[int] | None:
        """Return the ids of the tracks of some albums that count, None for all."""
        limits = [each for each in (only, self._selected) if each is not None]
        if not limits:
            return None
        return [
            id_
            for album_id in chunk
            for id_ in set.intersection(*(set(each.get(album_id, ())) for each in limits))
        ]

    def _album_rows(
        self, chunk: Sequence[int], show: str, among: list[int] | None
    ) -> list[dict[str, Any]]:
        album_id = f"CASE WHEN {_IS_ALONE} THEN {NO_ALBUM} ELSE items.album_id END"
        wanted = "items.album_id IN (SELECT value FROM json_each(:chunk))"
        if NO_ALBUM in chunk:
            wanted = f"({wanted} OR {_IS_ALONE})"
        if among is not None:
            wanted += " AND items.id IN (SELECT value FROM json_each(:among))"
        grouped = (
            f"SELECT {album_id} AS place, COUNT(*) AS tracks, SUM({_IS_OPEN}) AS open, "
            f"SUM({FILTERS['differs']}) AS differs, SUM({FILTERS[show]}) AS shown, "
            f"MIN(CASE WHEN {_IS_OPEN} THEN COALESCE({_CONFIDENCE}, 0) END) AS lowest "
            f"FROM items{_JOINS} WHERE {wanted} GROUP BY 1"
        )
        rows = self._read(
            "SELECT place, albumartist, album, year, tracks, open, differs, lowest "
            f"FROM ({grouped}) LEFT JOIN albums ON albums.id = place WHERE shown",
            chunk=json.dumps([*chunk]),
            among=json.dumps(among or []),
        )
        return [
            _album(*row[:4])
            | dict(zip(("tracks", "open", "differs", "lowest"), row[4:], strict=True))
            for row in rows
        ]

    def _compute_order(self) -> _Order:
        """Sort albums by the sum of 1 - confidence over open tracks, then by their names."""
        doubt = f"SUM(CASE WHEN {_IS_OPEN} THEN 1 - COALESCE({_CONFIDENCE}, 0) ELSE 0 END)"
        rows = self._read(
            "SELECT doubts.album_id, albumartist, album, doubt FROM ("
            f"SELECT album_id, {doubt} AS doubt FROM items{_JOINS} "
            f"WHERE 1 {self._among('items.id')} GROUP BY album_id"
            ") AS doubts LEFT JOIN albums ON albums.id = doubts.album_id"
        )
        merged: dict[int, tuple[float, str, str]] = {}
        for album_id, artist, album, value in rows:
            key = NO_ALBUM if artist is None and album is None else album_id
            known = merged.get(key, (0.0, "", ""))[0]
            merged[key] = known + value, (artist or "").casefold(), (album or "").casefold()
        names = {id_: (artist, album, id_) for id_, (_, artist, album) in merged.items()}
        return _Order(
            tuple(sorted(names, key=lambda id_: (-round(merged[id_][0], 6), names[id_]))),
            tuple(sorted(names, key=lambda id_: names[id_])),
        )

    def _count(self) -> dict[str, int]:
        sums = ", ".join(f"COALESCE(SUM({condition}), 0)" for condition in FILTERS.values())
        (row,) = self._read(f"SELECT {sums} FROM items{_JOINS} WHERE 1 {self._among('items.id')}")
        counts = dict(zip(FILTERS, row, strict=True))
        counts["total"] = counts.pop("all")
        return counts | {"predicted": counts["total"] - counts["unpredicted"]}

    def _overview(self) -> dict[str, Any]:
        among = self._among("entity_id")
        bins = [0] * HISTOGRAM_BINS
        rows = self._read(
            f"SELECT CAST(CAST(value AS REAL) * {HISTOGRAM_BINS} + 1e-9 AS INTEGER), COUNT(*) "
            f"FROM item_attributes WHERE key = :key {among} GROUP BY 1",
            key=fields.CONFIDENCE,
        )
        for index, tracks in rows:
            bins[max(0, min(index, HISTOGRAM_BINS - 1))] += tracks
        genres = self._read(
            "SELECT value, COUNT(*) AS tracks FROM item_attributes "
            f"WHERE key = :key AND value != '' {among} GROUP BY value ORDER BY tracks DESC, value",
            key=fields.PREDICTED_GENRE,
        )
        return {
            "histogram": bins,
            "genres": [{"genre": genre, "tracks": tracks} for genre, tracks in genres],
        }

    def _genres(self) -> list[str]:
        counts = Counter[str]()
        rows = self._read("SELECT genres, COUNT(*) FROM items WHERE genres != '' GROUP BY genres")
        for text, tracks in rows:
            counts.update(dict.fromkeys(types.MULTI_VALUE_DSV.from_sql(text) or (), tracks))
        return [genre for genre, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0]))]

    def _matching(self, query: str) -> Matches | None:
        if not query.strip():
            return None
        return self._queries.get(query, lambda: matches(self._lib, parse_text(query)), seconds=10)

    def _among(self, column: str) -> str:
        """Return a condition that holds for the tracks of the query of the command line."""
        if self._selected is None:
            return ""
        return f"AND {column} IN (SELECT value FROM json_each(:selected))"

    def _read(self, sql: str, **values: Any) -> list[Any]:
        """Return rows. A connection of its own does not wait for those of beets."""
        values |= {"threshold": self._threshold(), "selected": self._selected_json}
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
            return connection.execute(sql, values).fetchall()


def _album(id_: int, artist: str | None, album: str | None, year: int | None) -> dict[str, Any]:
    return {"id": id_, "albumartist": artist or "", "album": album or "", "year": year or None}
