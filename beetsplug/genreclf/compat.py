"""What older beets need; to be deleted when beets 2.14 is the oldest supported."""

from __future__ import annotations

from collections.abc import Iterable

import beets
from beets.library import Item


def mend_update() -> None:
    """Let `beet update` store media fields that have no column, as beets 2.14 does by itself.

    Before, the first file with such a tag changed stopped the command with an SQL error.
    """
    if tuple(map(int, beets.__version__.split(".")[:2])) >= (2, 14):
        return
    store = Item.store

    def store_columns(item: Item, fields: Iterable[str] | None = None) -> None:
        # Flexible fields are stored whether or not they are named.
        store(item, None if fields is None else [name for name in fields if name in Item._fields])

    Item.store = store_columns  # type: ignore[method-assign, assignment]
