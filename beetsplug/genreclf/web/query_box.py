"""Queries that are typed into the page."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import beets
import numpy as np
from beets import plugins
from beets.dbcore import InvalidQueryError, parse_sorted_query
from beets.dbcore.query import MatchQuery, NumericQuery, Query, RegexpQuery, StringQuery
from beets.library import Item, Library
from numpy.typing import NDArray

from beetsplug.genreclf.web.errors import Invalid

_PREFIXES: dict[str, Any] = {":": RegexpQuery, "=~": StringQuery, "=": MatchQuery}
_MAX_LENGTH = 1000  # characters
_CHUNK = 500  # tracks


def parse_words(words: Sequence[str]) -> Query:
    """Return the query of the words of a command line."""
    query, _ = beets.library.parse_query_parts([*words], Item)
    return query


def parse_text(text: str) -> Query:
    """Return the query of a text. Raises Invalid.

    Unlike on the command line, a word with a slash is text: it is not looked up on the disk.
    """
    if len(text) > _MAX_LENGTH:
        raise Invalid("the query is too long")
    try:
        parts = shlex.split(text)
        _refuse_foreign_fields(parts)
        prefixes = {**_PREFIXES, **plugins.queries()}
        ignores_case = beets.config["sort_case_insensitive"].get(bool)
        query, _ = parse_sorted_query(Item, parts, prefixes, ignores_case)
    except (InvalidQueryError, ValueError) as exc:
        raise Invalid(f"invalid query: {' '.join(str(exc).split())}") from exc
    return query


def is_slow(query: Query) -> bool:
    """Return whether a query is about fields that SQLite does not know: each track is read."""
    return query.clause()[0] is None


def matching_ids(
    lib: Library, query: Query, goes_on: Callable[[], bool] = lambda: True
) -> NDArray[np.int64]:
    """Return the ids of the tracks that a query matches, sorted.

    goes_on: asked for each track of a slow query, which ends once it returns False.
    """
    where, values = query.clause()
    if where is None:
        ids = [*_slow_matches(lib, query, goes_on)]
    else:
        tables = "items"
        if getattr(query, "field_names", set()) & getattr(Item, "other_db_fields", set()):
            tables += f" {Item.relation_join}"  # since beets 2.13
        ids = _read(lib, f"SELECT DISTINCT items.id FROM ({tables}) WHERE {where}", tuple(values))
    return np.unique(np.array(ids, np.int64))


def _slow_matches(lib: Library, query: Query, goes_on: Callable[[], bool]) -> Iterator[int]:
    """Yield the ids of matching tracks. Few tracks are in memory at once."""
    ids = _read(lib, "SELECT id FROM items ORDER BY id", ())
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        for item in lib.items(NumericQuery("id", f"{chunk[0]}..{chunk[-1]}")):
            if not goes_on():
                return
            if query.match(item):
                yield item.id or 0


def _refuse_foreign_fields(parts: Sequence[str]) -> None:
    """Refuse fields whose queries are other plugins': `playlist:FILE` opens the file."""
    foreign = {
        name
        for name, query in plugins.named_queries(Item).items()
        if query.__module__.startswith("beetsplug.")
        and not query.__module__.startswith("beetsplug.genreclf.")
    }
    for part in parts:
        name = part.lstrip("-^").partition(":")[0]
        if name in foreign:
            raise Invalid(f"{name} cannot be queried here")


def _read(lib: Library, sql: str, values: Sequence[Any]) -> list[int]:
    with lib.transaction() as transaction:
        return [row[0] for row in transaction.query(sql, values)]
