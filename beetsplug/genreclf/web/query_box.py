"""Queries that are typed into the page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, TypeAlias

import beets
from beets import plugins
from beets.dbcore import InvalidQueryError, parse_sorted_query
from beets.dbcore.query import MatchQuery, Query, RegexpQuery, StringQuery
from beets.library import Item, Library

from beetsplug.genreclf.web.errors import Invalid

Matches: TypeAlias = dict[int, list[int]]  # ids of tracks by album id, 0 for those without an album

_PREFIXES: dict[str, Any] = {":": RegexpQuery, "=~": StringQuery, "=": MatchQuery}
_MAX_LENGTH = 1000  # characters
_ALBUM_ID = "COALESCE((SELECT id FROM albums WHERE id = {}), 0)"


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


def matches(lib: Library, query: Query | Sequence[str]) -> Matches:
    """Return the tracks that a query matches. query: parsed, or the words of a command line."""
    if not isinstance(query, Query):
        query, _ = beets.library.parse_query_parts([*query], Item)
    where, values = query.clause()
    if where is None:  # a field that SQLite does not know
        known = {album_id for (album_id,) in _read(lib, "SELECT id FROM albums", ())}
        pairs = [
            (item.id or 0, album_id if (album_id := item.album_id or 0) in known else 0)
            for item in lib.items(query)
        ]
    else:
        tables = "items"
        if getattr(query, "field_names", set()) & getattr(Item, "other_db_fields", set()):
            tables += f" {Item.relation_join}"  # since beets 2.13
        place = _ALBUM_ID.format("items.album_id")
        sql = f"SELECT items.id, {place} FROM ({tables}) WHERE {where} GROUP BY items.id"
        pairs = [(row[0], row[1]) for row in _read(lib, sql, tuple(values))]
    found: Matches = {}
    for id_, album in pairs:
        found.setdefault(album, []).append(id_)
    return found


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


def _read(lib: Library, sql: str, values: Sequence[Any]) -> list[Any]:
    with lib.transaction() as transaction:
        return [tuple(row) for row in transaction.query(sql, values)]
