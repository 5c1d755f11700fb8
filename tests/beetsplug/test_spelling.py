"""Spelling of `genres` and the genre tag: as in the library, else in title case."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediafile import MediaFile

from beetsplug.genreclf.genres.normalize import squash
from beetsplug.genreclf.genres.spelling import most_common, spell
from tests.beetsplug.test_settings import ALL_BUT_BLUES
from tests.conftest import Beets, Prepared
from tests.tags import our_tags, plain_tags

TITLES = ("a", "b", "c", "d")


def import_copies(beets: Beets) -> None:
    beets.settings["genreclf"] |= {"auto": False, "exclude": [*ALL_BUT_BLUES]}
    first = beets.add("a.flac")
    for title in TITLES[1:]:  # the same music is analyzed once
        add_copy(beets, title)
    beets.import_music("--singletons")
    beets("genreclf", "--pretend")
    shutil.rmtree(beets.music)
    assert not first.exists()


@pytest.fixture
def untagged(prepared: Prepared) -> Beets:
    """Return a library of four tracks without genres, which are predicted as blues."""
    return prepared(import_copies)


def add_copy(beets: Beets, title: str, *genres: str, folder: str = "") -> None:
    """Put the same music there under another title."""
    path = beets.add(f"{folder}{title}.flac")
    media = MediaFile(path)
    media.album, media.genres = folder, [*genres]
    media.save()


def set_genres(beets: Beets, genres: str, *titles: str) -> None:
    for title in titles:
        beets("modify", "--yes", f"title:{title}", f"genres={genres}")


def in_files(beets: Beets) -> list[str]:
    return ["; ".join(plain_tags(path).get("genre", [])) for path in beets.files()]


def test_title_case_by_default(untagged: Beets) -> None:
    untagged("genreclf")
    assert untagged.field("genres") == in_files(untagged) == ["Blues"] * 4
    assert untagged.field("predicted_genre") == ["blues"] * 4
    assert [our_tags(path)["predicted_genre"] for path in untagged.files()] == ["blues"] * 4


def test_import_uses_the_most_common_spelling(untagged: Beets) -> None:
    set_genres(untagged, "BLUES", "a", "b", "c")
    set_genres(untagged, "blues", "d")
    untagged.settings["genreclf"]["auto"] = True
    add_copy(untagged, "new")
    untagged.import_music()
    assert untagged.field("genres") == in_files(untagged) == ["BLUES"] * 3 + ["blues", "BLUES"]
    fields = "$predicted_genre|$genre_votes|$album_genre|$album_genre_votes"
    assert untagged("ls", "-f", fields, "title:new") == "blues|blues 3|blues|blues 1\n"
    assert untagged("ls", "-a", "-f", "$genres") == "BLUES\n"


def test_each_of_several_genres_counts(untagged: Beets) -> None:
    set_genres(untagged, "Jazz; bLUES", "a")
    set_genres(untagged, "bLUES; Rock", "b")
    set_genres(untagged, "BLUES", "c")
    untagged("genreclf", "title:d")
    assert untagged.field("genres", "title:d") == ["bLUES"]


def test_given_genres_do_not_count_and_are_respelled_by_force_only(untagged: Beets) -> None:
    untagged("genreclf")
    set_genres(untagged, "BLUES", "a")
    before = untagged.rows()
    assert "nothing to do" in untagged.run("genreclf").stderr
    assert untagged.rows() == before
    untagged("import", "--quiet", "--noautotag", "--library", "--singletons")
    assert untagged.field("genres") == in_files(untagged) == ["BLUES"] + ["Blues"] * 3
    untagged("genreclf", "-f")
    assert untagged.field("genres") == in_files(untagged) == ["BLUES"] * 4
    assert "0 tracks updated, 4 unchanged" in untagged.run("genreclf", "-f").stderr
    set_genres(untagged, "", "a")
    untagged("genreclf", "-f")
    assert untagged.field("genres") == in_files(untagged) == ["", *["Blues"] * 3]


def test_names_take_precedence(untagged: Beets) -> None:
    set_genres(untagged, "BLUES", "a")
    untagged("genreclf")
    untagged.settings["genreclf"]["names"] = {"Blues": "The Blues"}
    assert "nothing to do" in untagged.run("genreclf").stderr
    untagged("genreclf", "-f")
    assert untagged.field("genres") == in_files(untagged) == ["BLUES"] + ["The Blues"] * 3
    assert untagged.field("predicted_genre") == ["blues"] * 4
    untagged.settings["genreclf"]["names"] = {}
    untagged("genreclf", "-f")
    assert untagged.field("genres") == ["BLUES"] * 4


def test_first_import_uses_spellings_that_it_imported_before(untagged: Beets) -> None:
    untagged("remove", "--force", "--delete")
    untagged.settings["genreclf"]["auto"] = True
    add_copy(untagged, "a", folder="album 1/")
    add_copy(untagged, "b", "BLUES", folder="album 2/")
    add_copy(untagged, "c", "BLUES", folder="album 2/")
    add_copy(untagged, "d", folder="album 3/")
    untagged.import_music()
    assert untagged.field("genres", "title:d") == ["BLUES"]


@pytest.mark.parametrize("is_missing", [True, False])
def test_given_genres_count_where_the_journal_does_not_know(
    is_missing: bool, untagged: Beets
) -> None:
    untagged("genreclf")
    set_genres(untagged, "BLUES", "a")
    untagged.settings["genreclf"]["policy"] = "replace"
    journal = untagged.root / "library.genre-journal.db"
    if is_missing:
        journal.unlink()
    else:
        with closing(sqlite3.connect(journal)) as database, database:
            for number, damaged in enumerate(("{", "[]", '{"genres": 5}', b"\xff")):
                sql = "UPDATE changes SET new = ? WHERE id / 2 % 4 = ?"  # one of two is of the file
                database.execute(sql, (damaged, number))
    explained = json.loads(untagged("genreclf-explain", "--json", "title:a"))
    assert explained["genres"]["then"] == ["Blues"]


NAMES = st.text("Bb&+-_/ \xdf\u0149", min_size=1, max_size=4) | st.text(min_size=1, max_size=4)


@given(st.dictionaries(NAMES, st.integers(1, 3), max_size=5), NAMES, st.booleans())
def test_spelling_is_stable_and_names_the_same_genre(
    tracks: dict[str, int], genre: str, is_custom: bool
) -> None:
    library = most_common(tracks)
    assert most_common(dict(reversed([*tracks.items()]))) == library

    def spelled(name: str) -> str:
        own = {genre} if is_custom else set[str]()
        return spell(name, {}, lambda name: library.get(squash(name)), own)

    assert squash(spelled(genre)) == squash(genre)
    assert spelled(spelled(genre)) == spelled(genre)


def test_spelling_without_a_library() -> None:
    def spelled(genre: str, own: tuple[str, ...] = ()) -> str:
        return spell(genre, {"hip hop": "Hip-Hop"}, dict[str, str]().get, own)

    genres = ("hip hop", "Hip Hop", "drum and bass", "jazz", "r&b", "EBM")
    assert [*map(spelled, genres)] == [
        "Hip-Hop",
        "Hip-Hop",
        "Drum And Bass",
        "Jazz",
        "R&B",
        "EBM",
    ]
    assert spelled("my own", ("my own",)) == "my own"


def test_equally_common_spellings_and_invisible_characters() -> None:
    tracks = {"hip hop": 2, "Hip-Hop": 2, "HipHop": 1, "Hip\u200bHop": 9, "Jazz\x07": 9}
    assert most_common(tracks) == {"hiphop": "Hip-Hop"}
