"""The tracks of a query, album by album."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from beets.library import Album, Item, Library

Ids: TypeAlias = "set[int]"
Group: TypeAlias = "tuple[Album | None, list[Item], Ids]"


def groups(lib: Library, query: Sequence[str]) -> Iterator[Group]:
    """Return the tracks that are heard together, and the ids of those that the query selects.

    An album has all of its tracks; a track without album, or whose album is lost, is alone.
    """
    albums: dict[int, Ids] = {}
    for item in lib.items(query):
        assert item.id is not None  # it is in the library
        if item.album_id is None:
            yield None, [item], {item.id}
        else:
            albums.setdefault(item.album_id, set()).add(item.id)
    for album_id, chosen in albums.items():
        if album := lib.get_album(album_id):
            yield album, [*album.items()], chosen
        else:
            yield from ((None, [track], {id_}) for id_ in chosen if (track := lib.get_item(id_)))
