"""The tracks of a query, album by album."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from beets.library import Album, Item, Library

Ids: TypeAlias = "set[int]"
Group: TypeAlias = "tuple[Album | None, list[Item], Ids]"


class AlbumSelection:
    """The tracks that are heard together, and the ids of those that a query selects.

    An album has all of its tracks; a track without album, or whose album is lost, is alone. Only
    ids are held, so that a library of any size goes by in little memory. total: selected tracks.
    """

    def __init__(self, lib: Library, query: Sequence[str]) -> None:
        self.total = 0
        self._lib = lib
        self._albums: dict[int | None, Ids] = {}
        for item in lib.items(query):
            assert item.id is not None  # it is in the library
            self._albums.setdefault(item.album_id, set()).add(item.id)
            self.total += 1

    def __iter__(self) -> Iterator[Group]:
        for album_id, chosen in self._albums.items():
            album = None if album_id is None else self._lib.get_album(album_id)
            if album:
                yield album, [*album.items()], chosen
            else:
                for id_ in sorted(chosen):
                    if track := self._lib.get_item(id_):
                        yield None, [track], {id_}
