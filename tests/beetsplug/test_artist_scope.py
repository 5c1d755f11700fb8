"""`scope: artist`: the tracks of an artist get the genre of their joint prediction."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from mediafile import MediaFile

from tests.conftest import Beets
from tests.tags import our_tags, plain_tags

# By folder: the titles of the tracks, the files that they are copies of, and their artists. The
# last folder becomes a compilation, because it has no album artist.
MUSIC = {
    "1 first": {"a electronic": ("electronic/003", "Someone")},
    "2 second": {
        "b classical": ("classical/012", "Someone"),
        "c classical": ("classical/021", "Someone feat. Another"),
        "d classical": ("classical/023", "SOMEONE"),
    },
    "3 third": {"e electronic": ("electronic/024", "Someone")},
    "4 hits": {
        "f electronic": ("electronic/003", "Someone"),
        "g classical": ("classical/012", "Another"),
    },
}
OWN = ["electronic", "classical", "classical", "classical", "electronic", "electronic", "classical"]
JOINT = ["Classical"] * 5 + ["Electronic", "Classical"]  # as tags spell it
SCOPES = ["artist"] * 5 + ["", ""]
VOTES = "classical 3, electronic 2"


# Prints the title of each track whose prediction is recalled.
COUNTING = """
    from beets.plugins import BeetsPlugin
    from beetsplug.genreclf.predictor import Predictor

    class CountingPlugin(BeetsPlugin):
        def __init__(self):
            super().__init__()
            recall = Predictor.recall

            def count(predictor, obj):
                print("recalled:", getattr(obj, "title", obj.album))
                return recall(predictor, obj)

            Predictor.recall = count
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Beets:
    beets = Beets(tmp_path_factory.mktemp("artists"))
    beets.settings["genreclf"] |= {"scope": "artist", "min_confidence": 0.5, "auto": False}
    for folder, tracks in MUSIC.items():
        (beets.music / folder).mkdir(parents=True)
        for title, (source, artist) in tracks.items():
            path = beets.music / folder / f"{title}.mp3"
            shutil.copy(data / "emotify" / f"{source}.mp3", path)
            media = MediaFile(path)
            media.update({"title": title, "artist": artist, "album": folder, "genres": None})
            media.albumartist = None if folder == "4 hits" else "Someone"
            media.save()
    beets.import_music()
    beets("genreclf", "--pretend")  # all of it is in the cache
    beets.keep()
    return beets


@pytest.fixture
def music(library: Beets) -> Beets:
    """Return a library of music by an artist on three albums and a compilation, without genres."""
    library.restore()
    return library


def summary(beets: Beets, *options: str) -> str:
    return beets.run("genreclf", *options).stderr.splitlines()[-1]


def recalled(printed: str) -> list[str]:
    lines = printed.splitlines()
    return [line.removeprefix("recalled: ") for line in lines if line.startswith("recalled: ")]


def test_tracks_get_the_genre_of_their_artist(music: Beets) -> None:
    before = music.rows()
    assert "     5  (none) -> Classical\n" in music("genreclf", "--pretend", "^album:hits")
    assert music.rows() == before
    assert "7 tracks updated, 0 unchanged, 0 abstained, 0 failed, 7 files" in summary(music)
    assert music.field("genres") == JOINT
    assert music.field("predicted_genre") == [genre.lower() for genre in JOINT]
    assert music.field("genre_scope") == SCOPES
    albums = music("ls", "-a", "-f", "$genres|$album_genre", "album+").splitlines()
    assert albums[:3] == ["Classical|electronic", "Classical|classical", "Classical|electronic"]
    by_title = {MediaFile(path).title: path for path in music.files()}
    assert plain_tags(by_title["e electronic"])["genre"] == ["Classical"]
    assert our_tags(by_title["e electronic"])["predicted_genre"] == "classical"
    assert "nothing to do: 7 matching tracks already classified" in summary(music)
    music("genreclf-undo")
    assert music.field("genres") == [""] * 7
    assert not any("genre" in plain_tags(path) for path in music.files())


def test_import_changes_only_new_tracks(music: Beets) -> None:
    """The tracks that are in the library vote; the next run makes them follow."""
    music("remove", "--force", "--delete")
    music.settings["genreclf"]["auto"] = True
    music.import_music()
    assert music.field("genres") == ["Electronic", *JOINT[1:]]
    assert music.field("genre_votes") == [f"{genre} 10" for genre in OWN]
    assert "1 track updated, 0 unchanged, 0 abstained, 0 failed, 1 file" in summary(music)
    assert music.field("genres") == JOINT
    assert "nothing to do" in summary(music)
    music("genreclf-undo", "--last")
    assert music.field("genres") == ["Electronic", *JOINT[1:]]


def test_compilations_may_be_included(music: Beets) -> None:
    music.settings["genreclf"]["compilations"] = True
    music("genreclf")
    assert music.field("genres") == ["Electronic"] * 6 + ["Classical"], "three against three"


def test_album_by_several_artists_keeps_its_own_genre(music: Beets) -> None:
    music("modify", "--yes", "--album", "album:second", "albumartist=Label")
    music("modify", "--yes", "title:b classical", "artist=Third")
    done = music.run("genreclf", "^album:hits")
    assert done.stdout.count("Label - 2 second: ") == 1
    assert music.field("genres", "^album:hits") == [
        "Electronic", "Classical", "Electronic", "Electronic", "Electronic"
    ]  # fmt: skip
    albums = music("ls", "-a", "-f", "$genres|$album_genre_votes", "album:second")
    assert albums == "Classical|classical 3\n"
    assert "nothing to do" in summary(music, "^album:hits")


def test_query_selects_some_tracks_of_an_artist(music: Beets) -> None:
    """Tracks with a prediction vote, and those that are selected change."""
    music("genreclf", "title:electronic", "^album:hits")
    assert music.field("genres") == ["Electronic", "", "", "", "Electronic", "", ""]
    music("genreclf", "album:second", "title:classical")
    assert music.field("genres") == ["Electronic", *["Classical"] * 3, "Electronic", "", ""]
    music("modify", "--yes", "title:e electronic", "genres=Mine")
    assert "3 tracks updated, 0 unchanged" in summary(music), "the first, and the compilation"
    assert music.field("genres") == [*JOINT[:4], "Mine", *JOINT[5:]]
    music.settings["genreclf"]["policy"] = "replace"
    music("genreclf", "--force")
    assert music.field("genres") == JOINT


def test_explanation_shows_the_prediction_of_the_artist(music: Beets) -> None:
    music("genreclf")
    explained = json.loads(music("genreclf-explain", "--json", "title:e electronic"))
    assert explained["genre"] == "electronic"
    assert explained["genres"]["then"] == ["Classical"]
    assert explained["genres"]["joint"]["genre"] == "classical"
    assert explained["genres"]["joint"]["votes"] == {"classical": 3, "electronic": 2}
    text = music("genreclf-explain", "title:e electronic")
    assert re.search(rf"  artist         classical \(0\.\d+\): {VOTES}\n", text)
    assert "  artist  " not in music("genreclf-explain", "title:f electronic")


def test_review_asks_once_for_an_artist(music: Beets) -> None:
    done = music.run("genreclf", "--review", "^album:hits", stdin="a\n")
    assert done.returncode == 0, f"a second question: {done.stderr}"
    lines = [line.partition(":")[0] for line in done.stdout.splitlines() if " -> " in line]
    assert lines[:3] == [
        "Someone - 1 first", "  Someone - 1 first - a electronic", "Someone - 2 second"
    ]  # fmt: skip
    assert music.field("genres") == [*JOINT[:5], "", ""]


def test_finished_artist_is_not_predicted_again(music: Beets) -> None:
    """Not even if the user's own genres differ."""
    music.install(counting=COUNTING)
    music.settings["genreclf"]["policy"] = "append"
    music("modify", "--yes", "title:b classical", "genres=Old")
    music("modify", "--yes", "title:c classical", "genres=Other")
    music("modify", "--yes", "title:d classical", "genres=Classical")
    music("genreclf")
    genres = ["Classical", "Old; Classical", "Other; Classical", *JOINT[3:]]
    assert music.field("genres") == genres
    done = music.run("genreclf")
    assert "nothing to do: 7 matching tracks" in done.stderr
    assert recalled(done.stdout) == []


def test_abstaining_artist_is_not_predicted_again(music: Beets) -> None:
    music.install(counting=COUNTING)
    music.settings["genreclf"]["min_confidence"] = 1.0
    assert "0 tracks updated, 0 unchanged, 7 abstained" in summary(music)
    assert recalled(music("genreclf")) == []


def test_each_prediction_is_recalled_once(music: Beets) -> None:
    """By an import of three albums, and by a run that changes tracks classified earlier."""
    music("remove", "--force", "--delete")
    music.import_music()
    music("genreclf", "album:first")
    music("remove", "--force", "--delete", "^album:first")
    music.install(counting=COUNTING)
    music.settings["genreclf"]["auto"] = True
    folders = ("2 second", "4 hits", "3 third")
    printed = music("import", "-qA", *(str(music.music / folder) for folder in folders))
    assert recalled(printed) == ["a electronic"]
    assert music.field("genres") == ["Electronic", *JOINT[1:]]
    done = music.run("genreclf")
    assert "1 track updated" in done.stderr
    titles = recalled(done.stdout)
    assert "a electronic" in titles
    assert len(titles) == len({*titles})
