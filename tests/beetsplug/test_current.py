"""Stories of tracks that have a prediction already: the policy applies, nothing is analyzed."""

from __future__ import annotations

import os
import shutil

import mutagen
import pytest
from mediafile import MediaFile

from tests.conftest import Beets
from tests.tags import our_tags, plain_tags

# Proposes what the files themselves say, so that imports are applied without a network.
SOURCE = """
from beets.autotag.hooks import AlbumInfo, TrackInfo
from beets.metadata_plugins import MetadataSourcePlugin

class OwnTagsPlugin(MetadataSourcePlugin):
    def album_for_id(self, album_id):
        return None

    def track_for_id(self, track_id):
        return None

    def item_candidates(self, item, artist, title):
        return []

    def candidates(self, items, artist, album, va_likely):
        tracks = [
            TrackInfo(title=item.title, track_id=item.title, index=number, length=item.length)
            for number, item in enumerate(items, 1)
        ]
        yield AlbumInfo(tracks, album=album, artist=artist, album_id=album, data_source="OwnTags")
"""


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Beets:
    """Return a library of two tracks whose files got predictions but no genres."""
    beets = Beets(tmp_path_factory.mktemp("tagged"))
    beets.settings["genreclf"] |= {"policy": "never", "min_confidence": 0}
    for number in (1, 2):
        media = MediaFile(beets.add(f"album/{number}.flac", seconds=8, seed=number))
        media.album = media.albumartist = media.artist = "Own"
        media.track = number
        media.save()
    beets.import_music()
    assert all(our_tags(path)["predicted_genre"] for path in beets.files())
    beets.keep()
    return beets


@pytest.fixture
def moved(tagged: Beets, beets: Beets) -> Beets:
    """Return an empty library beside the tagged files, and the cache of the library of before."""
    shutil.copytree(tagged.library, beets.music)
    shutil.copy(tagged.root / "genreclf-cache.db", beets.root)
    return beets


@pytest.fixture
def made(tagged: Beets) -> Beets:
    """Return the library that predicted, with the policy that fills."""
    tagged.restore()
    tagged.settings["genreclf"]["policy"] = "fill"
    return tagged


def analyses(beets: Beets) -> int:
    return int(beets("genreclf-cache").splitlines()[1].split()[0])


def modify(beets: Beets, *arguments: str) -> None:
    beets("modify", "--yes", *arguments)


@pytest.mark.parametrize("option", ["--group-albums", "--singletons"])
def test_import_fills_genres_of_files_predicted_elsewhere(moved: Beets, option: str) -> None:
    moved.import_music(option)
    heard = moved.field("predicted_genre")
    assert moved.field("genres") == heard
    assert all(heard)
    assert all(moved.field("genre_votes"))
    assert moved.field("genre_reason") == moved.field("genre_agreement") == ["", ""]
    assert [plain_tags(path)["genre"] for path in moved.files()] == [[genre] for genre in heard]
    assert analyses(moved) == 2
    moved("genreclf-undo")
    assert moved.field("genres") == ["", ""]
    assert not any("genre" in plain_tags(path) for path in moved.files())
    assert moved.run("genreclf-undo").returncode == 1, "the rest was made by another library"


def test_import_without_a_cache_fills_genres_from_fields_alone(moved: Beets) -> None:
    (moved.root / "genreclf-cache.db").unlink()
    moved.import_music()
    heard = moved.field("predicted_genre")
    assert moved.field("genres") == heard
    assert moved("ls", "-a", "-f", "$album_genre_model $genres").split() == [
        "bundled-cnn-3",
        heard[0],
    ]
    assert moved("ls", "-a", "-f", "$album_genre_votes") == f"{heard[0]} 2\n"
    assert analyses(moved) == 0
    done = moved.run("genreclf")
    assert "nothing to do: 2 matching tracks already classified" in done.stderr
    assert analyses(moved) == 0


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("fill", "Old"),
        ("replace", "{heard}"),
        ("append", "Old; {heard}"),
        ("prepend", "{heard}; Old"),
        ("never", "Old"),
    ],
)
def test_import_applies_the_policy_of_today(moved: Beets, policy: str, expected: str) -> None:
    for path in moved.music.rglob("*.flac"):
        media = MediaFile(path)
        media.genres = ["Old"]
        media.save()
    moved.settings["genreclf"] |= {"policy": policy, "names": {"jazz": "Other Spelling"}}
    moved.import_music()
    for path in moved.files():
        heard = our_tags(path)["predicted_genre"]
        assert plain_tags(path)["genre"] == expected.format(heard=heard).split("; ")
    tags = [our_tags(path) for path in sorted(moved.music.rglob("*.flac"))]
    assert [our_tags(path) for path in moved.files()] == tags, "the prediction stays"


def test_album_scope_gives_the_genre_of_the_album(moved: Beets) -> None:
    moved.settings["genreclf"] |= {"scope": "album", "min_confidence": 0}
    moved.import_music()
    assert moved.field("genres") == moved("ls", "-a", "-f", "$album_genre").split() * 2
    assert all(moved.field("genres"))
    modify(moved, "-a", "--noinherit", "genres=")
    modify(moved, "genres=")
    assert "0 tracks updated" in moved.run("genreclf", "-f").stderr
    assert moved.field("genres") == ["", ""]


def test_abstained_tracks_stay_without_genres_but_get_a_reason(moved: Beets) -> None:
    for path in moved.music.rglob("*.flac"):
        file = mutagen.File(path)
        del file["predicted_genre"]
        file.save()
    moved.import_music()
    assert moved.field("genres") == moved.field("predicted_genre") == ["", ""]
    assert all(moved.field("genre_reason"))
    assert all(moved.field("genre_votes"))
    assert "nothing to do" in moved.run("genreclf").stderr


def test_reimport_from_scratch_fills_genres_again(made: Beets) -> None:
    (made.root / "plugins").mkdir()
    (made.root / "plugins" / "owntags.py").write_text(SOURCE)
    made.settings |= {"pluginpath": str(made.root / "plugins"), "plugins": ["owntags", "genreclf"]}
    made.settings["import"] = {"copy": True, "from_scratch": True}
    made.settings["match"] = {"strong_rec_thresh": 0.9}
    modify(made, "title:1", "predicted_genre=mine")
    made("import", "--quiet", "--library")
    assert made("ls", "-f", "$data_source").split() == ["OwnTags"] * 2, "nothing was applied"
    heard = made.field("predicted_genre")
    assert heard[0] == "mine"
    assert made.field("genres") == heard
    assert [plain_tags(path)["genre"] for path in made.files()] == [[genre] for genre in heard]


def test_track_reimported_alone_does_not_show_the_genre_of_its_album(made: Beets) -> None:
    made("genreclf")
    modify(made, "title:1", "predicted_genre=")
    heard = made.field("predicted_genre")
    assert made("ls", "-a", "-f", "$album_genre").strip()
    made("import", "--quiet", "--noautotag", "--library", "--singletons")
    assert made.field("predicted_genre") == heard
    assert heard[0] == ""


def test_reimport_fills_genres_that_are_in_the_database_only(made: Beets) -> None:
    made.settings["genreclf"]["write"] = False
    made("genreclf")
    assert made.field("genres") == made.field("predicted_genre")
    assert not any("genre" in plain_tags(path) for path in made.files())
    made("import", "--quiet", "--noautotag", "--library")
    assert made.field("genres") == made.field("predicted_genre")
    made("genreclf-undo")
    assert made.field("genres") == ["", ""]


def test_command_fills_genres_unless_the_user_emptied_them(made: Beets) -> None:
    rows = made.rows()
    shown = made.run("genreclf", "--pretend")
    assert "2 tracks to update" in shown.stderr
    assert made.rows() == rows
    (made.root / "genreclf-cache.db").unlink()
    assert "2 tracks updated, 0 unchanged, 0 abstained, 0 failed" in made.run("genreclf").stderr
    assert analyses(made) == 0
    heard = made.field("predicted_genre")
    assert made.field("genres") == heard
    assert made("ls", "-a", "-f", "$genres") == made("ls", "-a", "-f", "$album_genre")
    modify(made, "title:1", "genres=")
    for options in ([], ["-f"]):
        assert "2 tracks to update" not in made.run("genreclf", "-p", *options).stderr
        made("genreclf", *options)
        assert made.field("genres") == ["", heard[1]]
    assert "genre" not in plain_tags(made.files()[0])


def test_user_can_empty_genres_that_were_filled_twice(moved: Beets) -> None:
    """The second change touched the genres alone."""
    moved.import_music("--singletons")
    modify(moved, "genres=")
    moved("import", "--quiet", "--noautotag", "--library", "--singletons")
    assert all(moved.field("genres"))
    modify(moved, "genres=")
    assert "nothing to do" in moved.run("genreclf").stderr
    assert moved.field("genres") == ["", ""]


def test_fallback_applies_the_policy_to_what_the_networks_predicted(moved: Beets) -> None:
    block = moved.root / "block"
    block.mkdir()
    (block / "onnxruntime.py").write_text("raise ImportError('blocked')")
    inherited = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    moved.environment["PYTHONPATH"] = os.pathsep.join([str(block), *inherited])
    moved.import_music()
    assert moved.field("genres") == moved.field("predicted_genre")
    assert all(moved.field("genres"))
    assert {*moved.field("genre_model"), moved("ls", "-a", "-f", "$album_genre_model").strip()} == {
        "bundled-cnn-3"
    }


def test_a_new_track_joins_an_album_of_known_ones(moved: Beets) -> None:
    (moved.root / "genreclf-cache.db").unlink()
    new = moved.add("album/3.flac", seconds=8, seed=3)
    folder = next(moved.music.rglob("01 1.flac")).parent
    media = MediaFile(new)
    media.album = media.albumartist = media.artist = "Own"
    media.save()
    new.rename(folder / "3.flac")
    moved.settings["genreclf"]["min_confidence"] = 0
    moved.import_music()
    assert analyses(moved) == 1
    assert moved.field("genres") == moved.field("predicted_genre")
    votes = moved("ls", "-a", "-f", "$album_genre_votes").strip()
    assert sum(int(vote.split()[-1]) for vote in votes.split(", ")) == 3
