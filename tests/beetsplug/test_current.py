"""Tracks that already have a prediction: the policy applies, nothing is analyzed."""

from __future__ import annotations

import shutil

import mutagen
import pytest
from mediafile import MediaFile

from genremodel.models.bundled import MSD_FILE
from tests.conftest import Beets
from tests.faults import with_damaged_network
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
def classified_library(tmp_path_factory: pytest.TempPathFactory) -> Beets:
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
def fresh(classified_library: Beets, beets: Beets) -> Beets:
    """Return an empty library, files that another library has classified, and its cache."""
    shutil.copytree(classified_library.library, beets.music)
    shutil.copy(classified_library.root / "genreclf-cache.db", beets.root)
    return beets


@pytest.fixture
def known(classified_library: Beets) -> Beets:
    """Return a library of classified tracks without genres, with the policy `fill`."""
    classified_library.restore()
    classified_library.settings["genreclf"]["policy"] = "fill"
    return classified_library


def spelled(beets: Beets) -> list[str]:
    """Return the predicted genres as tags spell them where the library has none."""
    return [genre.title() for genre in beets.field("predicted_genre")]


def analyses(beets: Beets) -> int:
    return int(beets("genreclf-cache").splitlines()[1].split()[0])


def modify(beets: Beets, *arguments: str) -> None:
    beets("modify", "--yes", *arguments)


@pytest.mark.parametrize("option", ["--group-albums", "--singletons"])
def test_import_fills_genres_of_files_predicted_elsewhere(fresh: Beets, option: str) -> None:
    fresh.import_music(option)
    genres = spelled(fresh)
    assert fresh.field("genres") == genres
    assert all(genres)
    assert all(fresh.field("genre_votes"))
    assert fresh.field("genre_reason") == fresh.field("genre_agreement") == ["", ""]
    assert [plain_tags(path)["genre"] for path in fresh.files()] == [[genre] for genre in genres]
    assert analyses(fresh) == 2
    fresh("genreclf-undo")
    assert fresh.field("genres") == ["", ""]
    assert not any("genre" in plain_tags(path) for path in fresh.files())
    assert fresh.run("genreclf-undo").returncode == 1, "the rest was made by another library"


def test_import_without_a_cache_fills_genres_from_fields_alone(fresh: Beets) -> None:
    (fresh.root / "genreclf-cache.db").unlink()
    fresh.import_music()
    predicted = fresh.field("predicted_genre")
    assert fresh.field("genres") == spelled(fresh)
    assert fresh("ls", "-a", "-f", "$album_genre_model $genres").split() == [
        "bundled-cnn-4",
        predicted[0].title(),
    ]
    assert fresh("ls", "-a", "-f", "$album_genre_votes") == f"{predicted[0]} 2\n"
    assert analyses(fresh) == 0
    done = fresh.run("genreclf")
    assert "nothing to do: 2 matching tracks already classified" in done.stderr
    assert analyses(fresh) == 0


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("fill", "Old"),
        ("replace", "{predicted}"),
        ("append", "Old; {predicted}"),
        ("prepend", "{predicted}; Old"),
        ("never", "Old"),
    ],
)
def test_import_applies_the_current_policy(fresh: Beets, policy: str, expected: str) -> None:
    for path in fresh.music.rglob("*.flac"):
        media = MediaFile(path)
        media.genres = ["Old"]
        media.save()
    fresh.settings["genreclf"]["policy"] = policy
    fresh.import_music()
    for path in fresh.files():
        predicted = our_tags(path)["predicted_genre"].title()
        assert plain_tags(path)["genre"] == expected.format(predicted=predicted).split("; ")
    tags = [our_tags(path) for path in sorted(fresh.music.rglob("*.flac"))]
    assert [our_tags(path) for path in fresh.files()] == tags, "the prediction stays"


def test_album_scope_gives_the_genre_of_the_album(fresh: Beets) -> None:
    fresh.settings["genreclf"] |= {"scope": "album", "min_confidence": 0}
    fresh.import_music()
    assert fresh.field("genres") == fresh("ls", "-a", "-f", "%title{$album_genre}").split() * 2
    assert all(fresh.field("genres"))
    modify(fresh, "-a", "--noinherit", "genres=")
    modify(fresh, "genres=")
    assert "0 tracks updated" in fresh.run("genreclf", "-f").stderr
    assert fresh.field("genres") == ["", ""]


def test_abstained_tracks_stay_without_genres_but_get_a_reason(fresh: Beets) -> None:
    for path in fresh.music.rglob("*.flac"):
        file = mutagen.File(path)
        del file["predicted_genre"]
        file.save()
    fresh.import_music()
    assert fresh.field("genres") == fresh.field("predicted_genre") == ["", ""]
    assert all(fresh.field("genre_reason"))
    assert all(fresh.field("genre_votes"))
    assert "nothing to do" in fresh.run("genreclf").stderr


def test_reimport_from_scratch_fills_genres_again(known: Beets) -> None:
    (known.root / "plugins").mkdir()
    (known.root / "plugins" / "owntags.py").write_text(SOURCE)
    known.settings |= {
        "pluginpath": str(known.root / "plugins"),
        "plugins": ["owntags", "genreclf"],
    }
    known.settings["import"] = {"copy": True, "from_scratch": True}
    known.settings["match"] = {"strong_rec_thresh": 0.9}
    modify(known, "title:1", "predicted_genre=mine")
    known("import", "--quiet", "--library")
    assert known("ls", "-f", "$data_source").split() == ["OwnTags"] * 2, "nothing was applied"
    predicted = known.field("predicted_genre")
    assert predicted[0] == "mine"
    genres = spelled(known)
    assert known.field("genres") == genres
    assert [plain_tags(path)["genre"] for path in known.files()] == [[genre] for genre in genres]


def test_track_imported_again_as_singleton_keeps_its_fields(known: Beets) -> None:
    known("genreclf")
    modify(known, "title:1", "predicted_genre=")
    predicted = known.field("predicted_genre")
    assert known("ls", "-a", "-f", "$album_genre").strip()
    known("import", "--quiet", "--noautotag", "--library", "--singletons")
    assert known.field("predicted_genre") == predicted
    assert predicted[0] == ""


def test_reimport_fills_genres_that_are_in_the_database_only(known: Beets) -> None:
    known.settings["genreclf"]["write"] = False
    known("genreclf")
    assert known.field("genres") == spelled(known)
    assert not any("genre" in plain_tags(path) for path in known.files())
    known("import", "--quiet", "--noautotag", "--library")
    assert known.field("genres") == spelled(known)
    known("genreclf-undo")
    assert known.field("genres") == ["", ""]


def test_command_fills_genres_unless_the_user_emptied_them(known: Beets) -> None:
    rows = known.rows()
    shown = known.run("genreclf", "--pretend")
    assert "2 tracks to update" in shown.stderr
    assert known.rows() == rows
    (known.root / "genreclf-cache.db").unlink()
    assert "2 tracks updated, 0 unchanged, 0 abstained, 0 failed" in known.run("genreclf").stderr
    assert analyses(known) == 0
    genres = known.field("genres")
    assert genres == spelled(known)
    assert known("ls", "-a", "-f", "$genres") == known("ls", "-a", "-f", "%title{$album_genre}")
    modify(known, "title:1", "genres=")
    for options in ([], ["-f"]):
        assert "2 tracks to update" not in known.run("genreclf", "-p", *options).stderr
        known("genreclf", *options)
        assert known.field("genres") == ["", genres[1]]
    assert "genre" not in plain_tags(known.files()[0])


def test_user_can_empty_genres_that_were_filled_twice(fresh: Beets) -> None:
    """The second change touched the genres alone."""
    fresh.import_music("--singletons")
    modify(fresh, "genres=")
    fresh("import", "--quiet", "--noautotag", "--library", "--singletons")
    assert all(fresh.field("genres"))
    modify(fresh, "genres=")
    assert "nothing to do" in fresh.run("genreclf").stderr
    assert fresh.field("genres") == ["", ""]


def test_fallback_applies_the_policy_to_predictions_of_the_cnn(fresh: Beets) -> None:
    """And predicts what is new."""
    fresh.environment |= with_damaged_network(fresh.root / "damaged")
    fresh.settings["genreclf"]["timeout"] = 600  # librosa is slow to import
    fresh.add("new.flac")
    done = fresh.run("import", "-qA", str(fresh.music))
    assert f"using the KNN fallback: {MSD_FILE}: wrong checksum" in done.stderr
    fresh.environment.clear()
    known = "^title:new"
    genres = fresh.field("genres", known)
    assert genres == [name.title() for name in fresh.field("predicted_genre", known)]
    assert all(genres)
    models = {*fresh.field("genre_model", known)}
    assert models == {fresh("ls", "-a", "-f", "$album_genre_model", "album::.").strip()}
    assert models == {"bundled-cnn-4"}
    assert fresh.field("genre_model", "title:new") == ["bundled-knn-5"]


def test_new_track_joins_an_album_of_classified_tracks(fresh: Beets) -> None:
    (fresh.root / "genreclf-cache.db").unlink()
    new = fresh.add("album/3.flac", seconds=8, seed=3)
    folder = next(fresh.music.rglob("01 1.flac")).parent
    media = MediaFile(new)
    media.album = media.albumartist = media.artist = "Own"
    media.save()
    new.rename(folder / "3.flac")
    fresh.settings["genreclf"]["min_confidence"] = 0
    fresh.import_music()
    assert analyses(fresh) == 1
    assert fresh.field("genres") == spelled(fresh)
    votes = fresh("ls", "-a", "-f", "$album_genre_votes").strip()
    assert sum(int(vote.split()[-1]) for vote in votes.split(", ")) == 3
