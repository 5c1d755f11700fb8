"""Queries of the plugin's fields that SQLite answers.

beets itself matches flexible fields one object at a time, in Python: seconds in a large library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from beets.dbcore.query import SQLiteType, SubstringQuery

from beetsplug.genreclf.fields import CONFIDENCE, TYPES, PresentNumericQuery

Clause: TypeAlias = "tuple[str | None, Sequence[SQLiteType]]"

_OWN = "{table}s.id IN (SELECT entity_id FROM {table}_attributes WHERE key = ? AND {condition})"
# An item without a value has that of its album.
_OF_ALBUM = (
    "items.album_id IS NOT NULL "
    "AND items.album_id IN (SELECT entity_id FROM album_attributes WHERE key = ? AND {condition}) "
    "AND items.id NOT IN (SELECT entity_id FROM item_attributes WHERE key = ?)"
)


class _Text(SubstringQuery):
    """A query of a text. The condition is on the column `value` of an attribute."""

    def condition(self) -> tuple[str, Sequence[SQLiteType]]:
        return SubstringQuery("value", self.pattern).col_clause()


class _Number(PresentNumericQuery):
    """A query of a number."""

    def condition(self) -> tuple[str, Sequence[SQLiteType]]:
        clause, values = PresentNumericQuery("CAST(value AS REAL)", self.pattern).col_clause()
        return f"value IS NOT NULL AND {clause}", values


def _of_album(query: _Text | _Number) -> Clause:
    condition, values = query.condition()
    return _OWN.format(table="album", condition=condition), (query.field_name, *values)


def _of_item(query: _Text | _Number) -> Clause:
    condition, values = query.condition()
    own = _OWN.format(table="item", condition=condition)
    name = query.field_name
    return (
        f"({own} OR {_OF_ALBUM.format(condition=condition)})",
        (name, *values, name, *values, name),
    )


def _fast(query: type[_Text | _Number], clause: Callable[[_Text | _Number], Clause]) -> Any:
    """Return a query that is answered by a clause."""

    def answered(self: _Text | _Number) -> Clause:
        # An empty pattern matches objects without a value as well.
        return clause(self) if self.pattern else (None, ())

    return type(query.__name__, (query,), {"clause": answered})


def _queries(clause: Callable[[_Text | _Number], Clause]) -> dict[str, Any]:
    text, number = _fast(_Text, clause), _fast(_Number, clause)
    return {name: number if name == CONFIDENCE else text for name in TYPES}


ITEM_QUERIES = _queries(_of_item)
ALBUM_QUERIES = _queries(_of_album)
