"""The tracks of a query, by the albums or artists that they are treated with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from beets.library import Album, Item, Library

from beetsplug.genreclf.config import Config
from beetsplug.genreclf.storage.artists import Artists

NO_MATCHES = "No matching tracks."


class Selection(NamedTuple):
    """Tracks that are treated together: all of an album, or of an artist, or a single track.

    albums: that of the tracks, or all those of the selected tracks of an artist. items: all tracks
    of these albums, and of the artist. selected_ids: of the tracks that the query matches.
    artist_ids: of the tracks of the artist, if they are treated together.
    """

    albums: list[Album]
    items: list[Item]
    selected_ids: set[int]
    artist_ids: frozenset[int | None] = frozenset()

    @property
    def artist_items(self) -> list[Item]:
        """The tracks of the artist, if they are treated together."""
        return [item for item in self.items if item.id in self.artist_ids]

    @property
    def selected(self) -> list[Item]:
        """The tracks that the query matches."""
        return [item for item in self.items if item.id in self.selected_ids]


class TrackSelection:
    """The tracks of a query, grouped by album; tracks of deleted albums are single.

    match_albums: the query matches albums, and each of their tracks is selected. artists: the ids
    of the tracks of artists, which are grouped by artist instead. total: number of selected tracks.
    Only ids are kept in memory, so that libraries may have any size.
    """

    def __init__(
        self,
        lib: Library,
        query: Sequence[str],
        *,
        match_albums: bool = False,
        artists: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.total = 0
        self._lib = lib
        self._artists = artists or {}
        self._groups: dict[str | int | None, set[int]] = {}  # by artist, or by the id of the album
        artist_of = {id_: artist for artist, ids in self._artists.items() for id_ in ids}
        for item in matching_items(lib, query, match_albums=match_albums):
            assert item.id is not None  # it is in the library
            group = artist_of.get(item.id, item.album_id)
            self._groups.setdefault(group, set()).add(item.id)
            self.total += 1

    def __iter__(self) -> Iterator[Selection]:
        done = set[int]()  # albums, which may have tracks by several artists
        for group, ids in self._groups.items():
            if isinstance(group, str):
                yield self._of_artist(self._artists[group], ids, done)
            elif group is None or group in done or not (album := self._lib.get_album(group)):
                for id_ in sorted(ids):
                    if item := self._lib.get_item(id_):
                        yield Selection([], [item], {id_})
            else:
                done.add(group)
                yield Selection([album], [*album.items()], ids)

    def _of_artist(self, ids: Sequence[int], selected: set[int], done: set[int]) -> Selection:
        items = [item for id_ in ids if (item := self._lib.get_item(id_))]
        on = {item.album_id for item in items if item.id in selected}
        album_ids = {id_ for id_ in on if id_ is not None} - done
        done |= album_ids
        albums = [album for id_ in sorted(album_ids) if (album := self._lib.get_album(id_))]
        artist_ids = frozenset[int | None](ids)
        for album in albums:
            items += [item for item in album.items() if item.id not in artist_ids]
        return Selection(albums, items, selected, artist_ids)


def artists(lib: Library, config: Config) -> dict[str, list[int]]:
    """Return the tracks of the artists that are treated as one, by the option `scope`."""
    if config.scope != "artist":
        return {}
    return Artists(lib).tracks(compilations=config.compilations)


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
