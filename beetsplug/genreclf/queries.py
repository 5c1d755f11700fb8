"""Queries of the plugin's fields that SQLite answers.

beets itself matches flexible fields one object at a time, in Python: seconds in a large library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from beets.dbcore.query import SQLiteType, SubstringQuery
from beets.dbcore.types import Type

from beetsplug.genreclf.fields import (
    ALBUM_NAMES,
    ALBUM_TYPES,
    ITEM_TYPES,
    PREDICTED_GENRE,
    PresentNumericQuery,
)

Clause: TypeAlias = "tuple[str | None, Sequence[SQLiteType]]"


class _AlbumText(SubstringQuery):
    def clause(self) -> Clause:
        return _text_clause(self, _of_album(self.field_name))


class _AlbumNumber(PresentNumericQuery):
    def clause(self) -> Clause:
        return _number_clause(self, _of_album(self.field_name))


class _ItemText(SubstringQuery):
    def clause(self) -> Clause:
        return _text_clause(self, _of_item(self.field_name))


class _ItemNumber(PresentNumericQuery):
    def clause(self) -> Clause:
        return _number_clause(self, _of_item(self.field_name))


def _text_clause(query: SubstringQuery, conditions: Sequence[str]) -> Clause:
    return _clause(query.pattern, *SubstringQuery("value", query.pattern).col_clause(), conditions)


def _number_clause(query: PresentNumericQuery, conditions: Sequence[str]) -> Clause:
    number = PresentNumericQuery("CAST(value AS REAL)", query.pattern)
    clause, values = number.col_clause()
    return _clause(query.pattern, f"value IS NOT NULL AND {clause}", values, conditions)


def _clause(
    pattern: str, condition: str, values: Sequence[SQLiteType], conditions: Sequence[str]
) -> Clause:
    """Return a clause that is true where one of the conditions is.

    condition, values: on the column `value` of an attribute.
    """
    if not pattern:  # matches objects without a value as well
        return None, ()
    alternatives = " OR ".join(each.format(condition=condition) for each in conditions)
    return f"({alternatives})", [*values] * len(conditions)


def _of_album(name: str) -> list[str]:
    return [_has("album_attributes", "albums.id", name)]


def _of_item(name: str) -> list[str]:
    """Return conditions on the fields of a track, or of its album."""
    if name not in ALBUM_TYPES:
        return [_has("item_attributes", "items.id", name)]
    of_album = _has(
        "album_attributes", "COALESCE(items.album_id, 0)", name
    )  # NULL cannot be negated
    if name != ALBUM_NAMES[PREDICTED_GENRE]:
        return [of_album]
    # As `fields.album_getters` has it: without an album, the genre is that of the track.
    alone = "COALESCE(items.album_id, 0) NOT IN (SELECT id FROM albums)"
    return [of_album, f"({alone} AND {_has('item_attributes', 'items.id', PREDICTED_GENRE)})"]


def _has(table: str, column: str, name: str) -> str:
    return f"{column} IN (SELECT entity_id FROM {table} WHERE key = '{name}' AND {{condition}})"


def _query(type_: Type[Any, Any], text: Any, number: Any) -> Any:
    return number if type_.query is PresentNumericQuery else text


def item_queries(item_types: Mapping[str, Type[Any, Any]]) -> dict[str, Any]:
    """Return the queries of fields of tracks, by their names."""
    return {name: _query(type_, _ItemText, _ItemNumber) for name, type_ in item_types.items()}


ITEM_QUERIES = item_queries(ITEM_TYPES)
ALBUM_QUERIES = {
    name: _query(type_, _AlbumText, _AlbumNumber) for name, type_ in ALBUM_TYPES.items()
}
