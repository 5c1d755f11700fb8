"""Find the artists of tracks: models are tested by other artists than they are learned from."""

from __future__ import annotations

import re
from functools import lru_cache

from beets import config
from beets.library import Item, Library

from beetsplug.genreclf.genres.normalize import normalize

# Names for several artists, or for an unknown one, as `normalize` returns them.
_NOBODY = {
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
_KEPT = 65_536  # names


class Artists:
    """Returns the artist of each track of a library, in one form for all spellings.

    beets gives a mixed folder that is imported as it is one album artist. It therefore counts only
    if the artists of the tracks confirm it.
    """

    def __init__(self, lib: Library) -> None:
        self._lib = lib
        self._borne_out: dict[tuple[int, str], bool] = {}
        self._nobody = _NOBODY | {normalize(config["va_name"].as_str())}

    def __call__(self, track: Item) -> str:
        """Return the artist of a track, without guests and in the form of `normalize`.

        That is the album artist if at least half of the album's tracks have it as their own, or
        none has any; else the track's artist; else the track itself.
        """
        album_artist, own = _main(track.albumartist), _main(track.artist)
        if self._is_name(album_artist) and self._is_borne_out(track):
            return album_artist
        return own if self._is_name(own) else f"track {track.id}"

    def _is_name(self, artist: str) -> bool:
        return bool(artist) and artist not in self._nobody

    def _is_borne_out(self, track: Item) -> bool:
        if track.album_id is None:
            return _includes(track.artist, track.albumartist) or not track.artist
        key = track.album_id, track.albumartist
        if key not in self._borne_out:
            with self._lib.transaction() as transaction:
                rows = transaction.query(
                    "SELECT artist FROM items WHERE album_id = ?", (track.album_id,)
                )
            own = [artist or "" for (artist,) in map(tuple, rows)]
            count = sum(_includes(artist, track.albumartist) for artist in own)
            self._borne_out[key] = 2 * count >= len(own) or not any(map(_main, own))
        return self._borne_out[key]


@lru_cache(_KEPT)
def _main(artist: str) -> str:
    return _key(_GUESTS.sub("", artist))


@lru_cache(_KEPT)
def _includes(artist: str, wanted: str) -> bool:
    """Return whether an artist is another, or that one with guests: "Queen & David Bowie"."""
    names, among = _names(wanted), _names(artist)
    return bool(names) and any(
        among[start : start + len(names)] == names for start in range(len(among) - len(names) + 1)
    )


def _names(artist: str) -> list[str]:
    names = [name for part in _BETWEEN_ARTISTS.split(artist) if (name := normalize(part))]
    return names or [*filter(None, [_key(artist)])]


def _key(artist: str) -> str:
    return normalize(artist) or artist.strip().casefold()  # there is a band called "!!!"
