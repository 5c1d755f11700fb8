"""`beet genreclf-similar`: tracks that sound like others."""

from __future__ import annotations

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
    listed = heard("genreclf-similar", "-f", "$path", *query, str(file)).splitlines()
    assert file.read_text(encoding="utf-8").splitlines() == ["#EXTM3U", *listed]
    done = heard.run("genreclf-similar", *query, str(heard.root))
    assert done.returncode == 1
    assert f"{heard.root}: " in done.stderr
    heard("genreclf-cache", "--clear")
    done = heard.run("genreclf-similar", *query, str(file))
    assert "no such track has been heard; `beet genreclf` hears what is new" in done.stderr
    assert len(file.read_text(encoding="utf-8").splitlines()) == 3, "not emptied"


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
