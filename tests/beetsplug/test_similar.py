"""`beet genreclf-similar`: tracks that sound like others."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Beets


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Beets:
    beets = Beets(tmp_path_factory.mktemp("similar"))
    beets.settings["genreclf"]["auto"] = False
    beets.add_collection()
    beets.import_music()
    beets("genreclf")
    beets.keep()
    return beets


@pytest.fixture
def heard(library: Beets) -> Beets:
    """Return a library of six tunes and six drum loops that has been classified."""
    library.restore()
    return library


def similar(beets: Beets, *arguments: str) -> list[str]:
    return beets("genreclf-similar", "-f", "$title", *arguments).splitlines()


def test_nearest_first(heard: Beets) -> None:
    found = similar(heard, "title:tune 0")
    assert len(found) == 11
    assert all(title.startswith("tune") for title in found[:5])
    assert similar(heard, "title:tune 0", "-n", "3") == found[:3]
    assert similar(heard, "title:loop 0", "-n", "5") == [
        title for title in similar(heard, "title:loop 0") if title.startswith("loop")
    ]
    assert "artist 0 - album 0 - " in heard("genreclf-similar", "title:tune 1")


def test_of_the_same_genre_and_by_others(heard: Beets) -> None:
    changes = ("genres=Polka, my-tunes", "artist=artist 0 & X", "albumartist=artist 0")
    heard("modify", "--yes", "title:loop 3", *changes)
    heard("modify", "--yes", "title:tune 0", "genres=Unknown; My Tunes")
    heard("modify", "--yes", "title:loop 4", "genres=Unknown")
    found = similar(heard, "title:tune 0", "--same-genre")
    assert sorted(found) == ["loop 3", *(f"tune {n}" for n in range(1, 6))]
    others = similar(heard, "title:tune 0", "--not-artist")
    assert len(others) == 9
    assert not {"loop 0", "loop 3"} & set(others)


def test_several_tracks_are_one_taste(heard: Beets) -> None:
    found = similar(heard, "title:tune 0", ",", "title:tune 1", "-n", "4")
    assert sorted(found) == [f"tune {n}" for n in range(2, 6)]


def test_a_playlist(heard: Beets) -> None:
    file = heard.root / "like it.m3u8"
    query = "title:tune 0", "-n", "2", "--playlist"
    listed = heard("genreclf-similar", "-f", "$artist - $title|$path", *query, str(file))
    expected = ["#EXTM3U"]
    for name, path in (line.split("|") for line in listed.splitlines()):
        expected += [f"#EXTINF:6,{name}", os.path.relpath(path, heard.root)]
    assert file.read_text(encoding="utf-8").splitlines() == expected
    assert (heard.root / expected[2]).is_file()
    for beginning in (b"#EXTM3U\r\n", b"\xef\xbb\xbf#EXTM3U\n"):
        file.write_bytes(beginning)
        heard("genreclf-similar", *query, str(file))
        assert file.read_text(encoding="utf-8").splitlines() == expected
    heard("genreclf-cache", "--clear")
    done = heard.run("genreclf-similar", *query, str(file))
    assert "no such track has been heard; `beet genreclf` hears what is new" in done.stderr
    assert file.read_text(encoding="utf-8").splitlines() == expected, "not emptied"


def test_playlist_replaces_only_playlists(heard: Beets) -> None:
    song, root = heard.files()[0], heard.root
    shutil.copy(song, root / "song.m3u8")
    (root / "link.m3u8").symlink_to(song)
    os.mkfifo(root / "pipe.m3u8")
    heard("genreclf-cache", "--clear")
    names = "song.m3u8", "library.db", "link.m3u8", "pipe.m3u8"
    for file in (song, *(root / name for name in names), root):
        before = file.read_bytes() if file.is_file() else None
        done = heard.run("genreclf-similar", "title:tune 0", "--playlist", str(file))
        assert done.returncode == 1
        assert f"{file}: exists and is " in done.stderr
        assert "Traceback" not in done.stderr
        assert before is None or file.read_bytes() == before
    assert "0 analyses" in heard("genreclf-cache"), "refused before anything was analyzed"
    for missing, reason in (("no/folder/a.m3u8", "there is no folder"), ("", "exists and is a f")):
        done = heard.run("genreclf-similar", "title:tune 0", "--playlist", missing)
        assert done.returncode == 1
        assert f"{Path(missing)}: {reason}" in done.stderr


def test_odd_names_in_a_playlist(heard: Beets) -> None:
    """Of tracks, and of the folder, which is reached by a link here."""
    names = {
        "tune 1": b"#1 \xff.mp3",
        "tune 2": b" space.mp3",
        "tune 3": b"line\nbreak.mp3",
        "tune 4": b"carriage\rreturn.mp3",
    }
    real, link = heard.root / "deep/er/real", heard.root / "lists"
    real.mkdir(parents=True)
    link.symlink_to(real)
    with closing(sqlite3.connect(heard.root / "library.db")) as database, database:
        for title, name in names.items():
            (path,) = [file for file in heard.files() if file.stem.endswith(title)]
            moved = path.rename(real / os.fsdecode(name))
            database.execute(
                "UPDATE items SET path = ?, artist = ? WHERE title = ?",
                (os.fsencode(moved), "a\nb\u2028c", title),
            )
    heard("genreclf", "--force")
    done = heard.run(
        "genreclf-similar", "title:tune 0", "-n", "5", "--playlist", str(link / "a.m3u8")
    )
    assert done.returncode == 0, done.stderr
    for skipped in (r"line\nbreak.mp3", r"carriage\rreturn.mp3"):
        assert f"{skipped}': left out of the playlist: its path has a line break" in done.stderr
    lines = (real / "a.m3u8").read_bytes().split(b"\n")
    assert b"./#1 \xff.mp3" in lines
    assert b"./ space.mp3" in lines
    assert b"#EXTINF:6,a b c - tune 1" in lines
    paths = [line for line in lines if line and not line.startswith(b"#EXT")]
    assert len(paths) == 3
    assert all((link / os.fsdecode(path)).is_file() for path in paths)


def test_what_is_asked_for_is_heard_if_need_be(heard: Beets) -> None:
    heard("genreclf-cache", "--clear")
    assert similar(heard, "title:tune 0") == [], "of the others nothing is known"
    assert similar(heard, "title:tune 1") == ["tune 0"]
    heard("genreclf", "--force")
    assert len(similar(heard, "title:tune 0")) == 11


def test_tracks_are_known_when_they_move(heard: Beets) -> None:
    before = similar(heard, "title:tune 0")
    heard.settings["paths"] = {"default": "elsewhere/$title"}
    heard("move")
    assert similar(heard, "title:tune 0") == before
    heard("modify", "--yes", "title:tune 3", "title=renamed")
    assert similar(heard, "title:tune 0") == [
        "renamed" if title == "tune 3" else title for title in before
    ]


@pytest.mark.parametrize("way", ["copy", "move"])
def test_imported_tracks_are_known(beets: Beets, way: str) -> None:
    beets.settings["import"] = {"copy": way == "copy", "move": way == "move"}
    beets.add_collection(range(3))
    beets.import_music()
    assert len(similar(beets, "title:tune 0")) == 5


def test_nothing_to_go_by(heard: Beets) -> None:
    assert "which tracks?" in heard.run("genreclf-similar").stderr
    assert "1 or more" in heard.run("genreclf-similar", "title:tune 0", "-n", "0").stderr
    done = heard.run("genreclf-similar", "title:nothing")
    assert done.returncode == 1
    assert "no track matches" in done.stderr
    (gone,) = heard.library.glob("*/*/*tune 5*")
    gone.unlink()
    done = heard.run("genreclf-similar", "title:tune 5")
    assert done.returncode == 1
    assert "no track of the query can be heard" in done.stderr
