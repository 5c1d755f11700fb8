"""What beets does to a library whose tracks have genres and styles of their own, mended."""

from __future__ import annotations

from collections.abc import Iterable

import beets
from beets.dbcore.db import FormattedMapping
from beets.library import Album, Item
from beets.util import diff
from beets.util.color import colorize

from beetsplug.genreclf.fields import GENRES, TYPES


def mend_update() -> None:
    """Let `beet update` store media fields that have no column, as beets 2.14 does by itself.

    Before, the first file with such a tag changed stopped the command with an SQL error. To be
    deleted when beets 2.14 is the oldest supported.
    """
    if tuple(map(int, beets.__version__.split(".")[:2])) >= (2, 14):
        return
    store = Item.store

    def store_columns(item: Item, fields: Iterable[str] | None = None) -> None:
        # Flexible fields are stored whether or not they are named.
        store(item, None if fields is None else [name for name in fields if name in Item._fields])

    Item.store = store_columns  # type: ignore[method-assign, assignment]


def mend_album_store() -> None:
    """Keep the verdict on an album, and the genres of one track, from the album's tracks.

    Whoever stores an album hands down what has changed in it: importing again, all that is known of
    it; `beet update`, mbsync and bpsync, the genres of a track that they have copied to it.
    """
    store = Album.store

    def store_apart(
        album: Album, fields: Iterable[str] | None = None, inherit: bool = True
    ) -> None:
        apart = album._dirty & TYPES.keys() if inherit else set()
        if inherit and album._dirty >= Album.item_keys:  # all that a track has
            apart.add(GENRES)
        album._dirty -= apart
        store(album, fields, inherit)
        if apart:
            album._dirty |= apart
            columns = [GENRES] if fields is None or GENRES in fields else []
            store(album, columns, inherit=False)

    Album.store = store_apart  # type: ignore[method-assign, assignment]


def mend_diff() -> None:
    """Let beets show that a flexible field of several values is gone.

    It takes it that a list is never absent, which is so of its own fields, and stops with a
    TypeError: at `beet modify predicted_styles!`, or where a file has lost the tag.
    """
    field_diff = diff._field_diff

    def field_diff_or_gone(field: str, old: FormattedMapping, new: FormattedMapping) -> str | None:
        values = old.model.get(field)
        if not isinstance(values, list) or new.model.get(field) is not None:
            return field_diff(field, old, new)
        return colorize("text_diff_removed", f"{field}: {old.get(field)}") if values else None

    diff._field_diff = field_diff_or_gone
