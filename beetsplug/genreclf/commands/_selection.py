"""The tracks of a query, album by album."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from beets.library import Album, Item, Library

NO_MATCHES = "No matching tracks."


class Selection(NamedTuple):
    """Tracks that are treated together: all of an album, or a single track.

    selected_ids: of the tracks that the query matches.
    """

    album: Album | None
    items: list[Item]
    selected_ids: set[int]

    @property
    def selected(self) -> list[Item]:
        """The tracks that the query matches."""
        return [item for item in self.items if item.id in self.selected_ids]


class AlbumSelection:
    """The tracks of a query, grouped by album; tracks of deleted albums are single.

    match_albums: the query matches albums, and each of their tracks is selected. total: number of
    selected tracks. Only ids are kept in memory, so that libraries may have any size.
    """

    def __init__(self, lib: Library, query: Sequence[str], *, match_albums: bool = False) -> None:
        self.total = 0
        self._lib = lib
        self._albums: dict[int | None, set[int]] = {}
        for item in matching_items(lib, query, match_albums=match_albums):
            assert item.id is not None  # it is in the library
            self._albums.setdefault(item.album_id, set()).add(item.id)
            self.total += 1

    def __iter__(self) -> Iterator[Selection]:
        for album_id, ids in self._albums.items():
            album = None if album_id is None else self._lib.get_album(album_id)
            if album:
                yield Selection(album, [*album.items()], ids)
            else:
                for id_ in sorted(ids):
                    if item := self._lib.get_item(id_):
                        yield Selection(None, [item], {id_})


def has_matches(lib: Library, query: Sequence[str], *, match_albums: bool = False) -> bool:
    """Return True if a query matches a track, or an album that has tracks."""
    return any(True for _ in matching_items(lib, query, match_albums=match_albums))


def matching_items(
    lib: Library, query: Sequence[str], *, match_albums: bool = False
) -> Iterator[Item]:
    """Yield the tracks of a query, or all tracks of the albums of a query."""
    if match_albums:
        for album in lib.albums(query):
            yield from album.items()
    else:
        yield from lib.items(query)
