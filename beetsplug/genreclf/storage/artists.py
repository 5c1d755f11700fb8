"""The artists of tracks, which are the same for all spellings and guests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from beets import config
from beets.library import Album, Item, Library

from beetsplug.genreclf.genres.normalize import normalize

# Normalized names for several artists, or for an unknown one.
_NOT_ARTISTS = {
    "various artists", "various artist", "various", "va", "v a", "verschiedene",
    "verschiedene interpreten", "verschiedene künstler", "diverse", "diverse artister",
    "diverse artiesten", "divers", "artistes divers", "artistes variés", "varios",
    "varios artistas", "vários artistas", "artisti vari", "aa vv", "aavv", "vv aa", "vvaa",
    "olika artister", "różni wykonawcy", "разные исполнители", "群星", "unknown artist", "unknown",
}  # fmt: skip
_GUESTS = re.compile(r"\s+[(\[]?(?:feat|ft|featuring|with)\b\W*\w.*", re.IGNORECASE | re.DOTALL)
_BETWEEN_ARTISTS = re.compile(
    r"[,;/&+|\\\xd7\xb7\u2022\u3001()\[\]]|"
    r"(?<=\s)(?:feat|ft|featuring|with|w(?=/)|and|vs|versus|x|meets|presents|pres"
    r"|et|und|y|avec|con|mit)\b\.?(?=[\s/])",
    re.IGNORECASE,
)
_CACHED = 65_536  # names


class _Row(NamedTuple):
    """The fields of a track that determine its artist."""

    id: int
    album_id: int | None
    artist: str
    albumartist: str


class Artists:
    """Determines the artist keys of the tracks of a library, equal for all spellings.

    The album artist counts only if the artists of the tracks confirm it, because beets gives one to
    all tracks of a mixed folder that is imported as is.
    """

    def __init__(self, lib: Library) -> None:
        self._lib = lib
        self._confirmed: dict[tuple[int, str], bool] = {}
        self._not_artists = _NOT_ARTISTS | {normalize(config["va_name"].as_str())}

    def key(self, track: Item) -> str:
        """Return the name of the artist of a track, or else a key of the track itself."""
        return self.name(track) or f"track {track.id}"

    def name(self, track: Item | _Row) -> str | None:
        """Return the normalized artist of a track, without guests.

        That is the album artist if at least half of the album's tracks have it as their own, or
        none has any; else the track's artist; else None.
        """
        album_artist, own = _main(track.albumartist), _main(track.artist)
        if self._is_name(album_artist) and self._is_confirmed(track):
            return album_artist
        return own if self._is_name(own) else None

    def share(self, album: Album) -> float:
        """Return the share of an album's tracks that have the album artist as their own, 0 to 1.

        Guests of either do not count. Various artists are not an artist.
        """
        artist = _without_guests(album.albumartist)
        own = self._own_artists(album.id) if self._is_name(_key(artist)) else []
        count = sum(_includes(_without_guests(name), artist) for name in own)
        return count / len(own) if own else 0.0

    def tracks(self, *, compilations: bool) -> dict[str, list[int]]:
        """Return the ids of the tracks of each artist in the library, by their names.

        compilations: include the tracks of compilations.
        """
        found: dict[str, list[int]] = {}
        for track in self._rows(compilations=compilations):
            if name := self.name(track):
                found.setdefault(name, []).append(track.id)
        return found

    def _rows(self, *, compilations: bool) -> Iterator[_Row]:
        with self._lib.transaction() as transaction:
            rows = transaction.query(
                "SELECT items.id, items.album_id, items.artist, items.albumartist FROM items "
                "LEFT JOIN albums ON albums.id = items.album_id "
                "WHERE ? OR NOT COALESCE(albums.comp, items.comp, 0)",
                (compilations,),
            )
        for track_id, album_id, artist, album_artist in map(tuple, rows):
            yield _Row(track_id, album_id, artist or "", album_artist or "")

    def _is_name(self, artist: str) -> bool:
        return bool(artist) and artist not in self._not_artists

    def _is_confirmed(self, track: Item | _Row) -> bool:
        if track.album_id is None:
            return _includes(track.artist, track.albumartist) or not track.artist
        key = track.album_id, track.albumartist
        if key not in self._confirmed:
            own = self._own_artists(track.album_id)
            count = sum(_includes(artist, track.albumartist) for artist in own)
            self._confirmed[key] = 2 * count >= len(own) or not any(map(_main, own))
        return self._confirmed[key]

    def _own_artists(self, album_id: int | None) -> list[str]:
        """Return the artists of the tracks of an album, with guests."""
        with self._lib.transaction() as transaction:
            rows = transaction.query("SELECT artist FROM items WHERE album_id = ?", (album_id,))
        return [artist or "" for (artist,) in map(tuple, rows)]


@lru_cache(_CACHED)
def _main(artist: str) -> str:
    return _key(_without_guests(artist))


def _without_guests(artist: str) -> str:
    return _GUESTS.sub("", artist)


@lru_cache(_CACHED)
def _includes(artist: str, wanted: str) -> bool:
    """Return whether an artist is another one, maybe with guests: "Queen & David Bowie"."""
    names, among = _names(wanted), _names(artist)
    return bool(names) and any(
        among[start : start + len(names)] == names for start in range(len(among) - len(names) + 1)
    )


def _names(artist: str) -> list[str]:
    names = [name for part in _BETWEEN_ARTISTS.split(artist) if (name := normalize(part))]
    return names or [*filter(None, [_key(artist)])]


def _key(artist: str) -> str:
    return normalize(artist) or artist.strip().casefold()  # there is a band called "!!!"
