"""`beet genreclf --review`: nothing is changed that the user has not agreed to."""

from __future__ import annotations

import os

import pytest
from mediafile import MediaFile

from tests.conftest import Beets, Prepared
from tests.tags import our_tags


def import_albums(beets: Beets) -> None:
    beets.settings["genreclf"] |= {"auto": False, "min_confidence": 0}
    for album in range(3):
        for title, seed in (("one", 2 * album), ("two", 2 * album + 1)):
            media = MediaFile(beets.add(f"album {album}/{title} {album}.mp3", seed=seed))
            media.artist, media.album = "artist", f"album {album}"
            media.save()
    beets.import_music()
    beets("genreclf", "--pretend")  # all of it is in the cache


@pytest.fixture
def untagged(prepared: Prepared) -> Beets:
    """Return three albums of two tracks without genres, with confident predictions."""
    return prepared(import_albums)


def review(beets: Beets, answers: str, *query: str) -> str:
    done = beets.run("genreclf", "--review", *query, stdin=answers)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_apply_skip_and_quit(untagged: Beets) -> None:
    output = review(untagged, "a\ns\nq\n", "album+")
    assert output.count("one 0: ") == output.count("two 2: ") == 1
    assert len(untagged("ls", "genres::.", "album:album 0").splitlines()) == 2
    assert not untagged("ls", "genres::.", "album:album 1")
    assert not untagged("ls", "genres::.", "album:album 2")
    for path in untagged.files():
        applied = path.parent.name == "album 0"
        assert bool(MediaFile(path).genres) == applied
        assert ("predicted_genre" in our_tags(path)) == applied


def test_only_tracks_without_genres(untagged: Beets) -> None:
    untagged("modify", "--yes", "title:one", "genres=Mine")
    output = review(untagged, "a\n" * 3)
    assert "one" not in output
    assert set(untagged.field("genres", "title:one")) == {"Mine"}
    assert all(untagged.field("genres", "title:two"))
    assert review(untagged, "") == ""


def test_genres_that_beets_drops_are_offered(untagged: Beets) -> None:
    """Without tags in files, `beet update` drops predictions and genres."""
    untagged.settings["genreclf"]["write"] = False
    untagged("genreclf", "album:album 0")
    for path in untagged.files():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 10))
    untagged("update")
    assert untagged("ls", "genres::.") == ""
    untagged("genreclf", "album:album 0")
    assert len(untagged("ls", "predicted_genre::.").splitlines()) == 2
    assert untagged("ls", "genres::.") == "", "they may have been emptied on purpose"
    review(untagged, "a\n", "album:album 0")
    assert len(untagged("ls", "genres::.").splitlines()) == 2


def test_placeholders_count_as_no_genres(untagged: Beets) -> None:
    untagged("modify", "--yes", "title:one", "genres=Unknown")
    before = untagged.rows()
    output = review(untagged, "a\n" * 3)
    assert output.count("one ") == output.count("two ") == 3
    assert not untagged("ls", "genres:Unknown")
    untagged("genreclf-undo", "--last")
    assert untagged.rows() == before
    review(untagged, "e\nOther; Tango/Ska\n", "album:album 1")
    assert untagged.field("genres", "album:album 1") == ["Other; Tango/Ska"] * 2


def test_genres_with_control_characters_are_asked_for_again(untagged: Beets) -> None:
    output = review(untagged, "e\nTango; S\x07ka\nTango\n", "album:album 1")
    assert "control characters are not allowed: 'S\\x07ka'" in output
    assert untagged.field("genres", "album:album 1") == ["Tango"] * 2


def test_edited_genres_belong_to_the_user(untagged: Beets) -> None:
    review(untagged, "e\nTango; Ska\n", "album:album 1")
    assert untagged.field("genres", "album:album 1") == ["Tango; Ska"] * 2
    assert untagged("ls", "-a", "-f", "$genres", "album:album 1") == "Tango; Ska\n"
    assert all(untagged.field("predicted_genre", "album:album 1"))
    for path in untagged.library.glob("*/album 1/*"):
        assert MediaFile(path).genres == ["Tango", "Ska"]
    untagged.settings["genreclf"]["policy"] = "append"
    untagged("genreclf", "--force", "album:album 1")
    assert untagged.field("genres", "album:album 1") == ["Tango; Ska"] * 2
    untagged("genreclf-undo")
    assert untagged.field("genres", "album:album 1") == ["Tango; Ska"] * 2
    for path in untagged.library.glob("*/album 1/*"):
        assert MediaFile(path).genres == ["Tango", "Ska"]
    assert "changed" not in untagged("update")


def test_no_genres_lead_back_from_editing(untagged: Beets) -> None:
    before = untagged.rows()
    output = review(untagged, "e\n\ne\n ; \ns\n", "album:album 1")
    assert output.count("none to go back") == 2
    assert untagged.rows() == before


def test_existing_genres_are_kept(untagged: Beets) -> None:
    """An album with one untagged track, and files of tracks that are not reviewed."""
    untagged.settings["genreclf"]["write"] = False
    untagged("genreclf")
    untagged("modify", "--yes", "--album", "album:album 0", "genres=Mine")
    untagged("modify", "--yes", "title:two 0", "genres=")
    untagged("write")
    untagged.settings["genreclf"] |= {"write": True, "policy": "replace"}
    before = {path: path.read_bytes() for path in untagged.files()}
    review(untagged, "s\n")
    assert {path: path.read_bytes() for path in untagged.files()} == before
    review(untagged, "e\nTango\n")
    assert untagged.field("genres", "album:album 0") == ["Mine", "Tango"]
    assert untagged("ls", "-a", "-f", "$genres", "album:album 0") == "Mine\n"
    assert [p.stem[-5:] for p, old in before.items() if p.read_bytes() != old] == ["two 0"]


def test_the_genre_that_is_written_is_shown(untagged: Beets) -> None:
    untagged.settings["genreclf"]["scope"] = "album"
    output = review(untagged, "a\n", "album:album 0")
    (genre,) = set(untagged.field("genres", "album:album 0"))
    assert output.count(f" -> {genre}\n") == 3, "of the album and both tracks"


def test_review_can_be_undone(untagged: Beets) -> None:
    before = untagged.rows()
    review(untagged, "a\na\na\n")
    untagged("genreclf-undo", "--last")
    assert untagged.rows() == before
    assert not any(our_tags(path) for path in untagged.files())


def test_review_without_stdin(untagged: Beets) -> None:
    before = untagged.rows()
    done = untagged.run("genreclf", "--review")
    assert done.returncode == 1
    assert "stdin stream ended" in done.stderr
    assert untagged.rows() == before


def test_doubtful_tracks_are_not_asked_about(untagged: Beets) -> None:
    untagged.settings["genreclf"]["min_confidence"] = 1
    before = untagged.rows()
    done = untagged.run("genreclf", "--review")
    assert done.returncode == 0
    assert "0 tracks updated, 0 unchanged, 6 abstained, 0 failed, 0 files written" in done.stderr
    assert untagged.rows() == before


def test_invalid_combinations(untagged: Beets) -> None:
    done = untagged.run("genreclf", "--review", "--pretend")
    assert done.returncode == 1
    assert "--review and --pretend cannot be combined" in done.stderr
    untagged.settings["genreclf"]["policy"] = "never"
    done = untagged.run("genreclf", "--review")
    assert done.returncode == 1
    assert "--review cannot be combined with genreclf.policy: never" in done.stderr


def test_quit_at_the_first_album_changes_nothing(untagged: Beets) -> None:
    before = untagged.rows()
    done = untagged.run("genreclf", "--review", stdin="q\n")
    assert done.returncode == 0, done.stderr
    assert "0 tracks updated, 0 unchanged, 0 abstained, 0 failed, 0 files written" in done.stderr
    assert untagged.rows() == before
