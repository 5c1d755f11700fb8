"""The fields that lists and counts need of every track, in memory: some 50 bytes per track.

Counting 100,000 tracks by SQL takes a second, because each field is a row of its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from beets.dbcore import types
from numpy.typing import NDArray

from beetsplug.genreclf import fields

NO_ALBUM = 0  # the id of the list of tracks without an album
HISTOGRAM_BINS = 20

Mask: TypeAlias = NDArray[np.bool_]
Ids: TypeAlias = NDArray[np.int64]

_ROW = np.dtype(
    [("id", "i8"), ("album", "i8"), ("genres", "i4"), ("confidence", "f8"), ("journal", "i8")]
    + [(name, "i4") for name in ("model", "review", "agreement", "predicted")]
)
_TEXTS = {
    "model": fields.MODEL,
    "review": fields.REVIEW,
    "agreement": fields.AGREEMENT,
    "predicted": fields.PREDICTED_GENRE,
}
# SQLite joins the ids of the tracks that have the same value: Python would need most of the time to
# make objects of 100,000 rows, and let no other thread run meanwhile.
_ALBUMS = """
SELECT COALESCE(albums.id, 0), group_concat(items.id) FROM items
LEFT JOIN albums ON albums.id = items.album_id WHERE {} GROUP BY 1
"""
_GENRES = "SELECT genres, group_concat(id) FROM items WHERE {} AND genres != '' GROUP BY 1"
_VALUES = """
SELECT value, group_concat(entity_id) FROM item_attributes WHERE {} AND key = ? AND value != ''
GROUP BY 1
"""
_CONFIDENCES = """
SELECT group_concat(CAST(value AS REAL)), group_concat(entity_id) FROM item_attributes
WHERE {} AND key = ? AND value IS NOT NULL
"""
_JOURNAL_IDS = """
SELECT group_concat(value), group_concat(entity_id) FROM item_attributes
WHERE {} AND key = ? AND value NOT LIKE '%,%'
"""
_NONE: Ids = np.zeros(0, np.int64)
_AMONG = "{} IN (SELECT value FROM json_each('{}'))"


class _Codes(dict[str, int]):
    """Numbers texts in the order in which they are first asked for."""

    def __missing__(self, text: str) -> int:
        return self.setdefault(text, len(self))


@dataclass(frozen=True)
class AlbumCounts:
    """Counts of tracks by album.

    ids: of the albums, sorted; the arrays below have an element for each. tracks, open, differs,
    shown: number of tracks. lowest: confidence of the open tracks, 0 where there is none.
    """

    ids: Ids
    tracks: Ids
    open: Ids
    differs: Ids
    shown: Ids
    lowest: NDArray[np.float64]

    def get(self, album_id: int) -> dict[str, Any]:
        """Return the counts of an album."""
        at = int(np.searchsorted(self.ids, album_id))
        is_open = bool(self.open[at])
        return {
            "tracks": int(self.tracks[at]),
            "open": int(self.open[at]),
            "differs": int(self.differs[at]),
            "lowest": float(self.lowest[at]) if is_open else None,
        }


@dataclass(frozen=True)
class TrackTable:
    """The tracks of a library at one time.

    rows: sorted by id. texts: those that the columns of numbers stand for; the first is empty.
    """

    rows: NDArray[Any]
    texts: tuple[str, ...]

    @classmethod
    def empty(cls) -> TrackTable:
        """Return a table without tracks."""
        return cls(np.zeros(0, _ROW), ("",))

    @classmethod
    def read(cls, database: sqlite3.Connection, ids: Collection[int] | None = None) -> TrackTable:
        """Return the tracks of a library. ids: of those to read, by default all."""
        codes = _Codes({"": 0})

        def select(sql: str, column: str, *keys: str) -> list[tuple[Any, Ids]]:
            among = "1" if ids is None else _AMONG.format(column, json.dumps([*map(int, ids)]))
            found = database.execute(sql.format(among), keys)
            return [
                (value, np.fromstring(joined or "", np.int64, sep=",")) for value, joined in found
            ]

        albums = select(_ALBUMS, "items.id")
        rows = np.zeros(sum(len(of_album) for _, of_album in albums), _ROW)
        rows["id"] = np.sort(np.concatenate([_NONE, *(of_album for _, of_album in albums)]))
        rows["confidence"] = np.nan
        _fill(rows, "album", albums)
        genres = select(_GENRES, "id")
        _fill(rows, "genres", ((codes[text], of_genres) for text, of_genres in genres))
        for column, key in _TEXTS.items():
            found = select(_VALUES, "entity_id", key)
            _fill(rows, column, ((codes[str(text)], of_text) for text, of_text in found))
        found = select(_CONFIDENCES, "entity_id", fields.CONFIDENCE)
        numbers = ((np.fromstring(joined or "", sep=","), of_all) for joined, of_all in found)
        _fill(rows, "confidence", numbers)
        found = select(_JOURNAL_IDS, "entity_id", fields.JOURNAL_ID)
        hashes = (([*map(hash, joined.split(","))], of_all) for joined, of_all in found if joined)
        _fill(rows, "journal", hashes)
        return cls(rows, tuple(codes))

    def only(self, ids: Ids) -> TrackTable:
        """Return the tracks that have some ids."""
        return TrackTable(self.rows[np.isin(self.rows["id"], ids)], self.texts)

    def replaced(self, changed: TrackTable) -> TrackTable:
        """Return the same tracks, with other values for those that have changed."""
        changed = changed.only(self.rows["id"])
        codes = _Codes((text, number) for number, text in enumerate(self.texts))
        numbers = np.array([codes[text] for text in changed.texts])
        new = changed.rows.copy()
        for column in ("genres", *_TEXTS):
            new[column] = numbers[new[column]]
        rows = self.rows.copy()
        rows[np.searchsorted(rows["id"], new["id"])] = new
        return TrackTable(rows, tuple(codes))

    def shown(self, name: str, threshold: float) -> Mask:
        """Return which tracks a filter shows. threshold: lowest confidence of confident ones."""
        return FILTERS[name](self, threshold)

    def counts(self, threshold: float) -> dict[str, int]:
        """Return the number of tracks by the names of the filters, and some more."""
        counts = {name: int(self.shown(name, threshold).sum()) for name in FILTERS}
        counts["total"] = counts.pop("all")
        return counts | {"predicted": counts["total"] - counts["unpredicted"]}

    def by_album(self, name: str, threshold: float, among: Mask) -> AlbumCounts:
        """Return counts of the tracks among some. name: of a filter."""
        ids, place = self._places

        def count(mask: Mask) -> Ids:
            return np.bincount(place[mask & among], minlength=len(ids))

        lowest = np.full(len(ids), np.inf)
        counted = self.is_open & among
        np.minimum.at(lowest, place[counted], self._confidence[counted])
        return AlbumCounts(
            ids,
            count(among),
            count(self.is_open),
            count(self.shown("differs", threshold)),
            count(self.shown(name, threshold)),
            lowest,
        )

    def doubts(self) -> dict[int, float]:
        """Return the sum of 1 - confidence over the open tracks of each album, by its id."""
        ids, place = self._places
        doubt = np.where(self.is_open, 1 - self._confidence, 0)
        return dict(
            zip(ids.tolist(), np.bincount(place, doubt, minlength=len(ids)).tolist(), strict=True)
        )

    def histogram(self) -> list[int]:
        """Return the number of tracks by confidence, in equal bins from 0 to 1."""
        confidence = self.rows["confidence"]
        scaled = confidence[~np.isnan(confidence)] * HISTOGRAM_BINS + 1e-9
        bins = np.clip(scaled, 0, HISTOGRAM_BINS - 1).astype(int)
        return [int(number) for number in np.bincount(bins, minlength=HISTOGRAM_BINS)]

    def numbers(self, column: str) -> dict[str, int]:
        """Return the number of tracks by a text, the most common first."""
        counts = np.bincount(self.rows[column], minlength=len(self.texts)).tolist()
        found = [(text, number) for text, number in zip(self.texts, counts, strict=True) if number]
        return dict(sorted(found, key=lambda each: (-each[1], each[0])))

    def with_journal_ids(self, journal_ids: Iterable[str]) -> list[int]:
        """Return the ids of tracks that may have some journal ids, which are kept as hashes."""
        hashes = np.array([*map(hash, journal_ids)], np.int64)
        return [int(id_) for id_ in self.rows["id"][np.isin(self.rows["journal"], hashes)]]

    @cached_property
    def genres(self) -> list[str]:
        """The genres in use, the most common first."""
        counts = Counter[str]()
        for text, tracks in self.numbers("genres").items():
            counts.update(dict.fromkeys(types.MULTI_VALUE_DSV.from_sql(text) or (), tracks))
        return [genre for genre, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0]))]

    @cached_property
    def is_open(self) -> Mask:
        """Which tracks have a prediction that is still to be reviewed."""
        return (self.rows["model"] != 0) & (self.rows["review"] == 0)

    def is_confident(self, threshold: float) -> Mask:
        """Return which predictions have a genre, with enough confidence."""
        return (self.rows["predicted"] != 0) & (self.rows["confidence"] >= threshold)

    @property
    def differs(self) -> Mask:
        """Which predictions differ from the genres from before."""
        number = self.texts.index("differs") if "differs" in self.texts else -1
        return np.asarray(self.rows["agreement"] == number)

    @cached_property
    def _places(self) -> tuple[Ids, Ids]:
        """The ids of all albums, and the index among them of that of each track."""
        return np.unique(self.rows["album"], return_inverse=True)

    @cached_property
    def _confidence(self) -> NDArray[np.float64]:
        return np.nan_to_num(self.rows["confidence"])


FILTERS: Mapping[str, Callable[[TrackTable, float], Mask]] = {  # by the names that the page uses
    "open": lambda table, _: table.is_open,
    "confident": lambda table, least: table.is_open & table.is_confident(least),
    "doubtful": lambda table, least: table.is_open & ~table.is_confident(least),
    "differs": lambda table, _: table.is_open & table.differs,
    "nogenre": lambda table, _: table.is_open & (table.rows["genres"] == 0),
    "reviewed": lambda table, _: table.rows["review"] != 0,
    "unpredicted": lambda table, _: table.rows["model"] == 0,
    "all": lambda table, _: np.ones(len(table.rows), bool),
}


def _fill(rows: NDArray[Any], column: str, values: Iterable[tuple[Any, Ids]]) -> None:
    """Set a column. values: for some tracks, which may not be there, of each or one for all."""
    pairs = [(np.broadcast_to(value, len(ids)), ids) for value, ids in values]
    if not (pairs and len(rows)):
        return
    found = np.concatenate([ids for _, ids in pairs])
    at = np.minimum(np.searchsorted(rows["id"], found), len(rows) - 1)
    is_known = rows["id"][at] == found
    rows[column][at[is_known]] = np.concatenate([value for value, _ in pairs])[is_known]
