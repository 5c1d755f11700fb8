"""`beet genreclf-similar`: tracks that sound like others."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mediafile import MediaFile

from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.batch.cache import Cache
from genremodel.models.musicnn import analysis_version
from tests.beetsplug.test_faults import run_as_a_user
from tests.conftest import Beets, Prepared
from tests.platforms import byte_names, linux, permissions, posix
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
    assert similar(classified, "title:tune 0", "-n", str(10**30)) == found
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


def test_one_track_per_artist(classified: Beets) -> None:
    changes = {
        "title:tune 1": ["artist=Artist 1 feat. Someone"],
        "album:album 2": ["comp=1", "albumartist=Various Artists"],
        "title:tune 2": ["artist=artist 3"],
        "album:album 4": ["artist=", "albumartist="],
    }
    for query, assignments in changes.items():
        classified("modify", "--yes", "--nomove", query, *assignments)
    nearest = similar(classified, "title:tune 0")
    found = similar(classified, "title:tune 0", "--one-per-artist")
    of_artists = (["loop 0"], ["tune 1", "loop 1"], ["tune 2", "tune 3", "loop 3"], ["loop 2"])
    without_artist = ["tune 4", "loop 4"]
    kept = [min(titles, key=nearest.index) for titles in (*of_artists, ["tune 5", "loop 5"])]
    assert found == sorted([*kept, *without_artist], key=nearest.index)
    assert similar(classified, "title:tune 0", "--one-per-artist", "--other-artists") == [
        title for title in found if title != "loop 0"
    ]
    assert similar(classified, "title:tune 0", "--one-per-artist", "-n", "2") == found[:2]


def expected_order(beets: Beets, *seeds: str, mean: bool) -> list[str]:
    """Return the titles of the other tracks by their similarity to some tracks."""
    with Cache(beets.root / "genreclf-cache.db", analysis_version(), DEFAULT_WINDOWS) as cache:
        embeddings = {
            Path(os.fsdecode(path)).stem.partition(" ")[2]: np.frombuffer(embedding, "<f2")
            for path, _, embedding in cache.embeddings()
            if os.fsencode(beets.library) in path
        }
    wanted = np.array([embeddings.pop(seed) for seed in seeds], np.float32)
    if mean:
        wanted = wanted.mean(axis=0, keepdims=True)
    scores = {title: float((wanted @ found).max()) for title, found in embeddings.items()}
    return sorted(scores, key=lambda title: -scores[title])


def test_distance_is_to_the_nearest_query_track_or_to_their_mean(classified: Beets) -> None:
    query = "title:tune 0", ",", "title:loop 0"
    found = similar(classified, *query)
    assert found == expected_order(classified, "tune 0", "loop 0", mean=False)
    to_mean = similar(classified, "--mean", *query)
    assert to_mean == expected_order(classified, "tune 0", "loop 0", mean=True)
    assert to_mean != found
    one = similar(classified, "title:tune 0")
    assert one == similar(classified, "--mean", "title:tune 0")
    assert similar(classified, "title:tune 0", "-n", "3", "title:tune") == one[:3]


def test_identical_audio_is_listed_once(classified: Beets) -> None:
    for number in range(3):
        for title in ("tune 0", "tune 1"):
            (file,) = classified.music.glob(f"*/{title}.mp3")
            copy = classified.root / "copies" / f"{title} again {number}.mp3"
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(file, copy)
            media = MediaFile(copy)
            media.title, media.album, media.artist = copy.stem, "best of", "someone"
            media.albumartist = "someone"
            media.save()
    before = similar(classified, "title:tune 0")
    classified("import", "--quiet", "--noautotag", str(classified.root / "copies"))
    classified("genreclf", "--force")
    assert len(classified("ls").splitlines()) == 18
    found = similar(classified, "title:tune 0 again 0")
    assert [title.removesuffix(" again 0") for title in found] == before
    assert not [title for title in found if title.startswith("tune 0")]
    found = similar(classified, "title:tune 0 again 0", "--other-artists")
    assert found == before, "a copy by another artist is found instead"


def test_too_many_query_tracks(classified: Beets) -> None:
    with closing(sqlite3.connect(classified.root / "library.db")) as database, database:
        database.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE "
            "n <= 10000) INSERT INTO items (path, title) SELECT 'none/' || n, 'many' FROM numbers"
        )
    done = classified.run("genreclf-similar", "title:many")
    assert done.returncode == 1
    assert "the query matches more than 10000 tracks: narrow it, or " in done.stderr


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
    assert "; `beet genreclf` analyzes the others" in done.stderr
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


def run_beet(beets: Beets, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run `beet` without decoding what it prints."""
    beets.write_settings()
    return subprocess.run(
        [sys.executable, "-m", "beets", *arguments],
        env={**os.environ, "BEETSDIR": str(beets.root)},
        cwd=beets.root,
        stderr=subprocess.PIPE,
        check=False,
        **options,
    )


@byte_names
def test_playlist_on_standard_output(classified: Beets) -> None:
    (path,) = [file for file in classified.files() if file.stem.endswith("tune 1")]
    moved = path.rename(classified.root / os.fsdecode(b"#1 \xff.mp3"))
    with closing(sqlite3.connect(classified.root / "library.db")) as database, database:
        database.execute(
            "UPDATE items SET path = ?, artist = 'Bj\xf6rk' WHERE title = 'tune 1'",
            (os.fsencode(moved),),
        )
    classified("genreclf", "--force")
    query = "genreclf-similar", "title:tune 0", "-n", "5"
    paths = classified(*query, "-f", "$title\t$path").splitlines()
    order = [line.split("\t")[0] for line in paths]
    done = run_beet(classified, *query, "--playlist", "-", stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    first, *lines = done.stdout.splitlines()
    assert first == b"#EXTM3U"
    names = [f"artist {title[-1]}" if title != "tune 1" else "Bj\xf6rk" for title in order]
    assert lines[::2] == [
        f"#EXTINF:6,{name} - {title}".encode() for name, title in zip(names, order, strict=True)
    ]
    assert os.fsencode(moved) in lines[1::2]
    assert all(Path(os.fsdecode(line)).is_absolute() for line in lines[1::2])
    assert all(Path(os.fsdecode(line)).is_file() for line in lines[1::2])
    assert not (classified.root / "-").exists()


def test_nothing_else_is_printed_with_a_playlist(classified: Beets) -> None:
    for option, value in (("-f", "$title"), ("-p", None)):
        given = [option, *filter(None, [value])]
        done = classified.run("genreclf-similar", "title:tune 0", "--playlist", "-", *given)
        assert (done.returncode, done.stdout) == (1, "")
        name = {"-f": "--format", "-p": "--path"}[option]
        assert f"--playlist - and {name} cannot be combined" in done.stderr
    done = classified.run("genreclf-similar", "title:nothing", "--playlist", "-")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "genreclf: No matching tracks.\n"
    (gone,) = classified.library.glob("*/*/*tune 5*")
    gone.unlink()
    query = "title:tune 0", ",", "title:tune 5"
    done = classified.run("genreclf-similar", *query, "-n", "2", "--playlist", "-")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 5, "the tracks that are similar to the other one"
    assert "some tracks could not be analyzed" in done.stderr


@linux
def test_standard_output_that_cannot_be_written(classified: Beets) -> None:
    query = "genreclf-similar", "title:tune 0", "--playlist", "-"
    with Path("/dev/full").open("wb") as full:
        done = run_beet(classified, *query, stdout=full)
    assert done.returncode == 1
    assert done.stderr == b"error: standard output: No space left on device\n"
    done = run_beet(classified, *query, preexec_fn=lambda: os.close(1))
    assert done.returncode == 1
    assert done.stderr == b"error: standard output is closed\n"
    read, write = os.pipe()
    os.close(read)
    done = run_beet(classified, *query, stdout=write)
    assert done.stderr == b""
    file = classified.root / "a.m3u8"
    run_beet(classified, *query[:2], "--playlist", str(file), stdout=write)
    os.close(write)
    assert len(file.read_bytes().splitlines()) == 1 + 2 * 11, "written nevertheless"


@permissions
def test_playlist_in_a_folder_that_cannot_be_written(classified: Beets) -> None:
    folder = classified.root / "read-only"
    folder.mkdir(mode=0o555)
    done = run_as_a_user(
        classified, "genreclf-similar", "title:tune 0", "--playlist", str(folder / "a.m3u8")
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{folder}: Permission denied" in done.stderr


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
