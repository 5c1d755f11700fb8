"""`beet genreclf-similar`: tracks that sound like others."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Beets, Prepared
from tests.platforms import byte_names, posix
from tests.variants import variants


def classify_collection(beets: Beets) -> None:
    # Without predictions, only the genres of the user are compared.
    beets.settings["genreclf"] |= {"auto": False, "min_confidence": 1}
    beets.add_collection()
    beets.import_music()
    beets("genreclf")


@pytest.fixture
def classified(prepared: Prepared) -> Beets:
    """Return a library of six tunes and six drum loops that has been classified."""
    return prepared(classify_collection)


def similar(beets: Beets, *arguments: str) -> list[str]:
    return beets("genreclf-similar", "-f", "$title", *arguments).splitlines()


def test_nearest_first(classified: Beets) -> None:
    found = similar(classified, "title:tune 0")
    assert len(found) == 11
    assert all(title.startswith("tune") for title in found[:5])
    assert similar(classified, "title:tune 0", "-n", "3") == found[:3]
    assert similar(classified, "title:loop 0", "-n", "5") == [
        title for title in similar(classified, "title:loop 0") if title.startswith("loop")
    ]
    assert "artist 0 - album 0 - " in classified("genreclf-similar", "title:tune 1")


def test_same_genre_and_other_artists(classified: Beets) -> None:
    changes = ("genres=Polka, my-tunes", "artist=artist 0 & X", "albumartist=artist 0")
    classified("modify", "--yes", "title:loop 3", *changes)
    classified("modify", "--yes", "title:tune 0", "genres=Unknown; My Tunes")
    classified("modify", "--yes", "title:loop 4", "genres=Unknown")
    found = similar(classified, "title:tune 0", "--same-genre")
    assert sorted(found) == ["loop 3", *(f"tune {n}" for n in range(1, 6))]
    others = similar(classified, "title:tune 0", "--other-artists")
    assert len(others) == 9
    assert not {"loop 0", "loop 3"} & set(others)


def test_several_query_tracks_are_combined(classified: Beets) -> None:
    found = similar(classified, "title:tune 0", ",", "title:tune 1", "-n", "4")
    assert sorted(found) == [f"tune {n}" for n in range(2, 6)]


def test_playlist(classified: Beets) -> None:
    file = classified.root / "like it.m3u8"
    query = "title:tune 0", "-n", "2", "--playlist"
    listed = classified("genreclf-similar", "-f", "$artist - $title|$path", *query, str(file))
    expected = ["#EXTM3U"]
    for name, path in (line.split("|") for line in listed.splitlines()):
        expected += [f"#EXTINF:6,{name}", os.path.relpath(path, classified.root)]
    assert file.read_text(encoding="utf-8").splitlines() == expected
    assert (classified.root / expected[2]).is_file()
    for beginning in (b"#EXTM3U\r\n", b"\xef\xbb\xbf#EXTM3U\n"):
        file.write_bytes(beginning)
        classified("genreclf-similar", *query, str(file))
        assert file.read_text(encoding="utf-8").splitlines() == expected
    classified("genreclf-cache", "--clear")
    done = classified.run("genreclf-similar", *query, str(file))
    assert "no similar tracks found" in done.stderr
    assert file.read_text(encoding="utf-8").splitlines() == expected, "not emptied"


@posix
def test_playlist_replaces_only_playlists(classified: Beets) -> None:
    song, root = classified.files()[0], classified.root
    shutil.copy(song, root / "song.m3u8")
    (root / "link.m3u8").symlink_to(song)
    os.mkfifo(root / "pipe.m3u8")
    classified("genreclf-cache", "--clear")
    names = "song.m3u8", "library.db", "link.m3u8", "pipe.m3u8"
    for file in (song, *(root / name for name in names), root):
        before = file.read_bytes() if file.is_file() else None
        done = classified.run("genreclf-similar", "title:tune 0", "--playlist", str(file))
        assert done.returncode == 1
        assert f"{file}: exists and is " in done.stderr
        assert "Traceback" not in done.stderr
        assert before is None or file.read_bytes() == before
    assert "0 analyses" in classified("genreclf-cache"), "refused before anything was analyzed"
    for missing, reason in (("no/folder/a.m3u8", "there is no folder"), ("", "exists and is a f")):
        done = classified.run("genreclf-similar", "title:tune 0", "--playlist", missing)
        assert done.returncode == 1
        assert f"{Path(missing)}: {reason}" in done.stderr


@byte_names
def test_odd_names_in_a_playlist(classified: Beets) -> None:
    """Of tracks, and of the folder, which is reached by a link here."""
    names = {
        "tune 1": b"#1 \xff.mp3",
        "tune 2": b" space.mp3",
        "tune 3": b"line\nbreak.mp3",
        "tune 4": b"carriage\rreturn.mp3",
    }
    real, link = classified.root / "deep/er/real", classified.root / "lists"
    real.mkdir(parents=True)
    link.symlink_to(real)
    with closing(sqlite3.connect(classified.root / "library.db")) as database, database:
        for title, name in names.items():
            (path,) = [file for file in classified.files() if file.stem.endswith(title)]
            moved = path.rename(real / os.fsdecode(name))
            database.execute(
                "UPDATE items SET path = ?, artist = ? WHERE title = ?",
                (os.fsencode(moved), "a\nb\u2028c", title),
            )
    classified("genreclf", "--force")
    done = classified.run(
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


def test_query_tracks_are_analyzed_if_necessary(classified: Beets) -> None:
    classified("genreclf-cache", "--clear")
    assert similar(classified, "title:tune 0") == [], "of the others nothing is known"
    assert similar(classified, "title:tune 1") == ["tune 0"]
    classified("genreclf", "--force")
    assert len(similar(classified, "title:tune 0")) == 11


def test_moved_tracks_are_still_found(classified: Beets) -> None:
    before = similar(classified, "title:tune 0")
    classified.settings["paths"] = {"default": "elsewhere/$title"}
    classified("move")
    assert similar(classified, "title:tune 0") == before
    classified("modify", "--yes", "title:tune 3", "title=renamed")
    assert similar(classified, "title:tune 0") == [
        "renamed" if title == "tune 3" else title for title in before
    ]


@pytest.mark.parametrize("way", variants(["copy", "move"], default=["move"]))
def test_tracks_analyzed_at_import_are_found(beets: Beets, way: str) -> None:
    beets.settings["import"] = {"copy": way == "copy", "move": way == "move"}
    beets.add_collection(range(3))
    beets.import_music()
    assert len(similar(beets, "title:tune 0")) == 5


def test_common_options(classified: Beets) -> None:
    first = similar(classified, "title:tune 0")[0]
    (path,) = [path for path in classified.files() if path.stem.endswith(first)]
    listed = classified("genreclf-similar", "-p", "-n", "1", "title:tune 0")
    assert listed.splitlines() == [str(path)]
    found = similar(classified, "-a", "album:album 0")
    assert len(found) == 10, "neither of the two tracks of the album"


def test_missing_or_unmatched_query(classified: Beets) -> None:
    assert "missing query: beet genreclf-similar QUERY" in classified.run("genreclf-similar").stderr
    assert "1 or more" in classified.run("genreclf-similar", "title:tune 0", "-n", "0").stderr
    done = classified.run("genreclf-similar", "title:nothing")
    assert (done.returncode, done.stderr) == (0, "genreclf: No matching tracks.\n")
    (gone,) = classified.library.glob("*/*/*tune 5*")
    gone.unlink()
    done = classified.run("genreclf-similar", "title:tune 5")
    assert done.returncode == 1
    assert "no matching track could be analyzed" in done.stderr
