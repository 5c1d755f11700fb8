"""`scope: auto`: an album decides for its uncertain tracks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mediafile import MediaFile

from tests.conftest import Beets
from tests.sounds import RATE, melody, write
from tests.tags import our_tags, plain_tags
from tests.variants import variants
from tests.web_client import decide, decision, first_album, require_flask, serving

# The classical tracks of an album and two on which the model abstains, one of them a tie with
# blues; one electronic track; three that have no genre at all.
COPIES = {
    "a": "classical/012", "b": "classical/021", "c": "classical/023", "d unsure": "classical/031",
    "e unsure": "classical/071", "f": "electronic/003",
}  # fmt: skip
ALONE = ["classical"] * 3 + ["", "", "electronic", "", "", ""]
HELPED = ["classical"] * 5 + ["electronic", "", "", ""]
SCOPES = ["", "", "", "album", "album", "", "", "", ""]
GENRES = [genre.title() for genre in HELPED]
UNSURE = "title:unsure"
TITLES = "title+"
STATE = "|".join(
    f"${name}"
    for name in (
        "title", "genres", "predicted_genre", "genre_confidence", "genre_scope", "genre_reason",
        "genre_votes", "genre_agreement", "predicted_styles", "album_genre",
        "album_genre_confidence", "album_genre_votes",
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def kept_library(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Beets:
    beets = Beets(tmp_path_factory.mktemp("auto"))
    beets.settings["genreclf"]["auto"] = False
    beets.music.mkdir()
    for title, source in COPIES.items():
        shutil.copy(data / "emotify" / f"{source}.mp3", beets.music / f"{title}.mp3")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 6 * RATE)).astype(np.float32)
    write(beets.music / "g noise.mp3", noise)
    write(beets.music / "h silence.mp3", melody(5) * 0)
    write(beets.music / "i short.mp3", melody(0.4))
    for path in beets.music.iterdir():
        media = MediaFile(path)
        media.update({
            "title": path.stem, "album": "Calm", "albumartist": "Someone", "artist": "Someone",
            "genres": None,
        })  # fmt: skip
        media.save()
    beets.import_music()
    beets("genreclf", "--pretend")  # all of it is in the cache
    beets.keep()
    return beets


@pytest.fixture
def album(kept_library: Beets) -> Beets:
    """Return an album by one artist, without predictions."""
    kept_library.restore()
    return kept_library


def state(beets: Beets, *query: str) -> list[str]:
    return beets("ls", "-f", STATE, *query, TITLES).splitlines()


def tags(beets: Beets) -> dict[str, Any]:
    return {
        path.name: (our_tags(path), plain_tags(path).get("genre")) for path in beets.files()
    }  # fmt: skip


def field(beets: Beets, name: str, *query: str) -> list[str]:
    """Return a field of the tracks by their titles."""
    lines = beets("ls", "-f", f"<${name}>", *query, TITLES).splitlines()
    return [line[1:-1] for line in lines]


def set_scope(beets: Beets, scope: str) -> None:
    beets.settings["genreclf"]["scope"] = scope


def name_artists(beets: Beets, titles: Iterable[str], artist: str) -> None:
    for title in titles:
        beets("modify", "-y", f"title:{title}", f"artist={artist}")


def assert_helped(beets: Beets) -> None:
    assert field(beets, "predicted_genre") == HELPED
    assert field(beets, "genres") == GENRES
    assert field(beets, "genre_scope") == SCOPES


def assert_alone(beets: Beets) -> None:
    assert field(beets, "predicted_genre") == ALONE
    assert field(beets, "genre_scope") == [""] * 9


def test_album_decides_for_its_uncertain_tracks(album: Beets) -> None:
    done = album.run("genreclf")
    assert_helped(album)
    (confidence,) = album("ls", "-a", "-f", "$album_genre_confidence").split()
    assert 0.6 <= float(confidence) < 0.7, "enough for an album, not for a track"
    assert field(album, "genre_confidence", UNSURE) == [confidence] * 2
    assert f"Calm - d unsure: classical ({confidence}, album)\n" in done.stdout
    assert "6 tracks updated, 0 unchanged, 3 abstained" in done.stderr
    votes = field(album, "genre_votes", UNSURE)
    assert votes[0].startswith("classical 7, ")
    assert {*votes[1].split(", ")} == {"blues 5", "classical 5"}
    reasons = ["", "", "", "", "", "", "not music", "silence", "too short"]
    assert field(album, "genre_reason") == reasons
    by_title = {MediaFile(path).title: path for path in album.files()}
    for title in ("d unsure", "e unsure"):
        ours = our_tags(by_title[title])
        assert (ours["predicted_genre"], ours["genre_scope"]) == ("classical", "album")
        assert ours["genre_confidence"] == confidence
        assert plain_tags(by_title[title])["genre"] == ["Classical"]
    assert "genre_scope" not in our_tags(by_title["a"])
    assert len(album("ls", "genre_scope:album").splitlines()) == 2
    album("genreclf-undo")
    assert field(album, "genres") == [""] * 9
    assert not any(our_tags(path) or "genre" in plain_tags(path) for path in album.files())
    assert not album("ls", "genre_scope::.")


def test_every_further_run_changes_nothing(album: Beets) -> None:
    album("genreclf")
    before, files = state(album), tags(album)
    assert "nothing to do" in album.run("genreclf").stderr
    for options in (["-f"], ["-f", UNSURE], ["-f", "title:a"], ["-w"]):
        album("genreclf", *options)
        assert (state(album), tags(album)) == (before, files), options
    album.settings["genreclf"]["auto"] = True
    album("import", "-qAL")
    assert (state(album), tags(album)) == (before, files)
    (album.root / "genreclf-cache.db").unlink()
    album("import", "-qAL")
    assert (state(album), tags(album)) == (before, files)


def test_import_helps_tracks_as_the_command_does(album: Beets) -> None:
    album("genreclf")
    expected, files = state(album), tags(album)
    album.restore()
    album.settings["genreclf"]["auto"] = True
    album("remove", "-f", "-d")
    done = album.run("import", "-A", str(album.music))
    assert (state(album), tags(album)) == (expected, files)
    assert "9 tracks analyzed, 6 with a genre, 3 without" in done.stdout


@pytest.mark.parametrize(
    "scopes",
    variants(
        product(("track", "auto", "album", "artist"), repeat=2),
        default=[("track", "auto"), ("auto", "artist"), ("album", "track"), ("artist", "album")],
    ),
    ids="-".join,
)
def test_another_scope_gives_what_a_fresh_run_does(album: Beets, scopes: tuple[str, str]) -> None:
    scope, other = scopes
    set_scope(album, scope)
    album("genreclf")
    expected, files = state(album), tags(album)
    album.restore()
    set_scope(album, other)
    album("genreclf")
    set_scope(album, scope)
    album("genreclf", "-f")
    assert (state(album), tags(album)) == (expected, files)


def test_scopes(album: Beets) -> None:
    set_scope(album, "track")
    album("genreclf")
    assert_alone(album)
    assert field(album, "genres") == [genre.title() for genre in ALONE]
    set_scope(album, "album")
    album("genreclf")
    assert field(album, "genres") == [*GENRES[:6], *["Classical"] * 3], "those without genres"
    album("genreclf", "-f")
    assert field(album, "predicted_genre") == ["classical"] * 9
    assert field(album, "genre_scope") == ["album"] * 9
    set_scope(album, "artist")
    assert "nothing to do" not in album.run("genreclf").stderr
    assert field(album, "genre_scope") == ["artist"] * 9
    assert "nothing to do" in album.run("genreclf").stderr


def test_track_that_is_added_later_changes_no_other(album: Beets) -> None:
    album("genreclf", UNSURE, ",", "title:noise")
    assert field(album, "predicted_genre", UNSURE) == ["classical"] * 2, "all tracks vote"
    album.restore()
    later = album.root / "later"
    later.mkdir()
    for title in "abc":
        (album.music / f"{title}.mp3").rename(later / f"{title}.mp3")
    album("remove", "-f", "-d")
    album.import_music()
    album("genreclf")
    alone = ["", "", "electronic", "", "", ""]
    assert field(album, "predicted_genre") == alone, "the album is undecided"
    (id_,) = album("ls", "-a", "-f", "$id").split()
    album("import", "-qsA", str(later))
    album.install(joining=JOINING)
    album("joinalbum", id_)
    before = state(album, "^title::^[abc]$")
    album("genreclf")
    album("genreclf")
    assert field(album, "predicted_genre") == ALONE
    now = [line.rsplit("|", 3)[0] for line in state(album, "^title::^[abc]$")]
    assert now == [line.rsplit("|", 3)[0] for line in before], "but for the genre of the album"
    album("genreclf", "-f")
    assert_helped(album)


# Puts all tracks on one album.
JOINING = """
    from beets.plugins import BeetsPlugin
    from beets.ui import Subcommand

    class JoiningPlugin(BeetsPlugin):
        def commands(self):
            command = Subcommand("joinalbum")

            def join(lib, options, ids):
                for item in lib.items():
                    item.album_id = int(ids[0])
                    item.store()

            command.func = join
            return [command]
"""


@pytest.mark.parametrize(
    ("others", "helped"),
    [("ab", True), ("abc", False)],
)
def test_three_quarters_are_by_the_album_artist(album: Beets, others: str, helped: bool) -> None:
    name_artists(album, others, "Another")
    name_artists(album, "df", "SOMEONE feat. Another")
    album("genreclf")
    (assert_helped if helped else assert_alone)(album)


def test_compilations_do_not_decide_unless_they_are_like_other_albums(album: Beets) -> None:
    album("modify", "-ya", "comp=1")
    album("genreclf")
    assert_alone(album)
    album.settings["genreclf"]["compilations"] = True
    album("genreclf", "-f")
    assert_helped(album)


def test_own_threshold_holds_for_albums_too(album: Beets) -> None:
    album.settings["genreclf"]["min_confidence"] = 0.7
    album("genreclf")
    assert_alone(album)
    assert album("ls", "-a", "-f", "<$album_genre>") == "<>\n"


def test_existing_genres_and_decisions_stay(album: Beets) -> None:
    album("modify", "-y", "title:d", "genres=Mine")
    album.run("genreclf", "--review", "title:e", stdin="e\nYours\n")
    done = album.run("genreclf")
    assert done.returncode == 0, done.stderr
    for options in ([], ["-f"]):
        album("genreclf", *options)
        assert field(album, "genres", UNSURE) == ["Mine", "Yours"]
        assert field(album, "genre_scope", UNSURE) == ["album"] * 2
        assert field(album, "genre_agreement", UNSURE)[0] in ("", "differs")
    set_scope(album, "track")
    album("genreclf", "-f")
    assert_alone(album)
    assert field(album, "genres", UNSURE) == ["Mine", "Yours"]


def test_review_offers_the_genre_of_the_album(album: Beets) -> None:
    done = album.run("genreclf", "--review", UNSURE, stdin="a\n")
    assert ", album) -> Classical" in done.stdout
    assert field(album, "genres", UNSURE) == ["Classical"] * 2
    assert field(album, "genre_review", UNSURE) == ["accepted"] * 2
    set_scope(album, "track")
    album("genreclf", "-f")
    assert field(album, "genres", UNSURE) == ["Classical"] * 2, "the user has accepted them"


def test_genre_of_the_album_is_taken_back_only_from_the_plugin(album: Beets) -> None:
    album("genreclf")
    album("modify", "-y", "title:d", "genres=Mine")
    set_scope(album, "track")
    album("genreclf")
    assert field(album, "genres", UNSURE) == ["Mine", "Classical"], "not without force"
    album("genreclf", "-f", "-p")
    assert field(album, "genres", UNSURE) == ["Mine", "Classical"]
    album("genreclf", "-f")
    assert field(album, "genres", UNSURE) == ["Mine", ""]
    album("genreclf-undo", "--last")
    assert field(album, "genres", UNSURE) == ["Mine", "Classical"]
    assert field(album, "genre_scope", UNSURE) == ["album"] * 2


def test_policy_of_today_holds_for_genres_of_the_album(album: Beets) -> None:
    album.settings["genreclf"]["policy"] = "never"
    album("genreclf")
    assert field(album, "predicted_genre") == HELPED
    assert field(album, "genres") == [""] * 9
    album.settings["genreclf"]["policy"] = "fill"
    for _ in range(2):
        album("genreclf")
        assert_helped(album)
    album("modify", "-y", UNSURE, "genres=")
    assert "nothing to do" in album.run("genreclf").stderr
    assert field(album, "genres", UNSURE) == [""] * 2


def test_explanation_shows_both_predictions(album: Beets) -> None:
    explained = json.loads(album("genreclf-explain", "--json", "title:d"))
    assert (explained["genre"], explained["reason"]) == (None, "low confidence")
    assert explained["genres"]["then"] == ["Classical"]
    joint = explained["genres"]["joint"]
    assert (joint["scope"], joint["genre"]) == ("album", "classical")
    assert explained["styles"] == [], "none fits the genre of the album"
    assert "folk" in explained["detected_styles"]
    text = album("genreclf-explain", "title:d")
    assert "  genre          none (low confidence)\n" in text
    assert f"  album          classical ({joint['confidence']:.3f}): classical 3, elec" in text
    album("genreclf")
    assert json.loads(album("genreclf-explain", "--json", "title:d"))["confidence"] < 0.6
    assert "  album  " not in album("genreclf-explain", "title:a")


def test_unreadable_sibling_does_not_vote(album: Beets) -> None:
    path = Path(album("ls", "-f", "$path", "title:f").strip())
    path.write_bytes(b"not audio")
    done = album.run("genreclf-explain", "title:d")
    assert done.returncode == 0, done.stderr
    assert "  album  " in done.stdout
    assert f"{path}: " in done.stderr
    assert album.run("genreclf").returncode == 1
    assert field(album, "predicted_genre", UNSURE) == ["classical"] * 2


def test_files_keep_the_genre_of_the_album_elsewhere(album: Beets) -> None:
    """Their own prediction is not known there; it is only needed if they are classified again."""
    album("genreclf")
    files = tags(album)
    (album.root / "other").mkdir()
    other = Beets(album.root / "other")
    other.music.mkdir()
    for path in album.files():
        if "unsure" in path.name:
            shutil.copy(path, other.music)
    other.import_music()
    assert field(other, "predicted_genre") == ["classical"] * 2
    assert field(other, "genre_scope") == ["album"] * 2
    assert {**files, **tags(other)} == files
    assert other("genreclf-cache").splitlines()[1].startswith("0 ")
    assert "nothing to do" in other.run("genreclf").stderr
    assert "no genre has" in other.run("genreclf-train", "--name", "x").stderr
    other("genreclf", "-f")
    assert field(other, "predicted_genre") == ["", ""]
    assert field(other, "genres") == ["Classical"] * 2, "not set by this library"


def test_page_shows_both_predictions_and_accepts_that_of_the_album(album: Beets) -> None:
    require_flask()
    album("genreclf")
    with serving(album) as server:
        tracks = {track["title"]: track for track in first_album(server)["tracks"]}
        unsure = server.json(f"api/tracks/{tracks['e unsure']['id']}")
        assert (unsure["predicted"], unsure["scope"]) == ("classical", "album")
        assert [vote["windows"] for vote in unsure["votes"]] == [5, 5], "its own"
        assert tracks["a"]["scope"] is None
        (done,) = decide(server, decision(tracks["e unsure"], "accept"))["done"]
        assert (done["genres"], done["review"]) == (["Classical"], "accepted")
    set_scope(album, "track")
    album("genreclf", "-f")
    assert field(album, "genres", UNSURE) == ["", "Classical"]
