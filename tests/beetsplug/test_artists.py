from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from beets.library import Item, Library

from beetsplug.genreclf.storage.artists import Artists


@contextmanager
def library(folder: Path) -> Iterator[Library]:
    lib = Library(str(folder / "library.db"), str(folder))
    try:
        yield lib
    finally:
        lib._close()


def artists(folder: Path, album_artist: str, own: list[str], **fields: Any) -> list[str]:
    """Return the artists of the tracks of an album, given their own artists."""
    with library(folder) as lib:
        tracks = [
            Item(artist=artist, albumartist=album_artist, path=b"/%d" % number, **fields)
            for number, artist in enumerate(own)
        ]
        lib.add_album(tracks)
        artist = Artists(lib).key
        return [artist(track) for track in tracks]


@pytest.mark.parametrize(
    ("album_artist", "own", "expected"),
    [
        ("The Band", ["The Band", "The Band feat. X"], ["the band"] * 2),
        ("The Band", ["The Band", "Another"], ["the band"] * 2),
        ("The Band", ["The Band", "Another", "Third"], ["the band", "another", "third"]),
        ("Queen", ["Queen & David Bowie", "Queen"], ["queen"] * 2),
        ("Queen", ["David Bowie, Queen", "Queen with Orchestra"], ["queen"] * 2),
        ("Queen", ["Queen (feat. X)", "Queen ft. Y", "Other"], ["queen"] * 3),
        ("Queen", ["Queen | X", "X · Queen", "Queen w/ X", "Y", "Z"], ["queen"] * 5),
        ("Queen", ["Queen presents X", "X meets Queen", "Y"], ["queen"] * 3),
        ("Queen", ["Queen et X", "X und Queen", "Queen y X", "Y", "Z"], ["queen"] * 5),
        ("Queen", ["Queensland", "McQueen", "Queen"], ["queensland", "mcqueen", "queen"]),
        ("Simon & Garfunkel", ["Simon and Garfunkel", "Paul Simon"], ["simon and garfunkel"] * 2),
        ("Earth, Wind & Fire", ["Earth, Wind & Fire"], ["earth wind and fire"]),
        ("AC/DC", ["AC/DC"], ["ac dc"]),
        ("Little Feat", ["Little Feat"], ["little feat"]),
        ("!!!", ["!!!"], ["!!!"]),
        ("Featherweight", ["", ""], ["featherweight"] * 2),
        ("Solo", ["Solo", "", ""], ["solo", "track 2", "track 3"]),
        ("", ["Solo feat. X", "Solo", ""], ["solo", "solo", "track 3"]),
        ("Various Artists", ["One", "Two ft. X & Y"], ["one", "two"]),
        ("V.A.", ["One", "Various Artists"], ["one", "track 2"]),
        ("A Label", ["One", "Two"], ["one", "two"]),
        *((name, [name] * 2, ["track 1", "track 2"]) for name in (
            "Various", "Verschiedene Interpreten", "Varios Artistas", "Artistes Variés",
            "Vários Artistas", "AA.VV.", "Разные исполнители", "群星", "[Unknown]",
            "Unknown Artist",
        )),
    ],
)  # fmt: skip
def test_album_artist_needs_half_of_the_tracks(
    album_artist: str, own: list[str], expected: list[str], tmp_path: Path
) -> None:
    assert artists(tmp_path, album_artist, own) == expected


def test_compilations_use_track_artists(tmp_path: Path) -> None:
    assert artists(tmp_path, "DJ", ["DJ", "DJ & X"], comp=True) == ["dj", "dj"]


def test_singletons(tmp_path: Path) -> None:
    with library(tmp_path) as lib:
        artist = Artists(lib).key
        assert artist(Item(artist="Queen & X", albumartist="Queen")) == "queen"
        assert artist(Item(artist="X", albumartist="Queen")) == "x"
        assert artist(Item(artist="", albumartist="Queen")) == "queen"
        assert artist(Item(id=3)) == "track 3"


@pytest.mark.parametrize(
    ("album_artist", "own", "share"),
    [
        ("The Band", ["The Band", "THE BAND feat. X", "The Band & Y", "Another"], 0.75),
        ("Queen", ["Queen", "X feat. Queen"], 0.5),
        ("Queen feat. X", ["Queen", "Queen (with Y)"], 1.0),
        ("Simon & Garfunkel", ["Simon and Garfunkel", "Paul Simon"], 0.5),
        ("Solo", ["Solo", ""], 0.5),
        ("Various Artists", ["Various Artists", "Various Artists"], 0.0),
        ("", ["", ""], 0.0),
        ("", ["Solo", "Solo"], 0.0),
    ],
)
def test_share_of_the_album_artist(
    album_artist: str, own: list[str], share: float, tmp_path: Path
) -> None:
    with library(tmp_path) as lib:
        tracks = [
            Item(artist=artist, albumartist=album_artist, path=b"/%d" % number)
            for number, artist in enumerate(own)
        ]
        assert Artists(lib).share(lib.add_album(tracks)) == share
