"""Album genres, from the predictions of the album's tracks, and their fields."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from mediafile import MediaFile

from tests.conftest import Beets
from tests.sounds import melody, write
from tests.tags import our_tags, plain_tags

CLASSICAL, ELECTRONIC = ("012", "021", "023"), ("003", "024")
FIELDS = "$genres|$predicted_genre|$genre_confidence|$genre_votes|$genre_reason"
CONFIDENCE = "$album_genre_confidence"
ALBUM_FIELDS = "$genres|$album_genre|$album_genre_confidence|$album_genre_votes|$album_genre_reason"


@pytest.fixture(scope="module")
def analyzed_files(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Beets:
    beets = Beets(tmp_path_factory.mktemp("albums"))
    beets.settings["genreclf"]["min_confidence"] = 0.5  # three of five tracks are enough
    beets.music.mkdir()
    for genre, names in (("classical", CLASSICAL), ("electronic", ELECTRONIC)):
        for name in names:
            shutil.copy(
                data / "emotify" / genre / f"{name}.mp3", beets.music / f"{genre}{name}.mp3"
            )
    write(beets.music / "silence.mp3", melody(5) * 0)
    for path in beets.music.iterdir():
        media = MediaFile(path)
        media.update({"title": path.stem, "album": "Odd", "albumartist": "Someone", "genres": None})
        media.save()
    beets.import_music()  # all of it is in the cache, but no longer in the library
    shutil.rmtree(beets.library)
    for path in beets.root.glob("library*"):
        path.unlink()
    beets.keep()
    return beets


@pytest.fixture
def album(analyzed_files: Beets) -> Beets:
    """Return an album of three classical, two electronic and one silent track, without genres."""
    analyzed_files.restore()
    return analyzed_files


def track_fields(beets: Beets) -> list[str]:
    return beets("ls", "-f", FIELDS, "title+").splitlines()


def test_update_of_an_album_alone_is_counted(album: Beets) -> None:
    album.import_music()
    album("modify", "--yes", "--album", "--nowrite", "album_genre_model=older", "Odd")
    done = album.run("genreclf")
    assert done.returncode == 0
    assert "0 tracks updated, 0 unchanged, 0 abstained, 0 failed, 1 album updated" in done.stderr
    assert album("ls", "-a", "-f", "$album_genre_model").startswith("bundled-cnn")


def test_tracks_and_album_have_predictions_of_their_own(album: Beets) -> None:
    album.import_music()
    *sounding, silent = track_fields(album)
    assert [line.split("|")[:2] for line in sounding] == [["Classical", "classical"]] * 3 + [
        ["Electronic", "electronic"]
    ] * 2
    assert [line.split("|")[3] for line in sounding] == ["classical 10"] * 3 + ["electronic 10"] * 2
    assert silent == "||||silence"
    (line,) = album("ls", "-a", "-f", ALBUM_FIELDS).splitlines()
    genres, genre, confidence, votes, reason = line.split("|")
    assert (genres, genre, votes) == (
        "Classical",
        "classical",
        "classical 3, electronic 2, abstained 1",
    )
    assert float(confidence) == pytest.approx(0.57, abs=0.03), "three of five"
    assert reason == ""
    assert album("ls", "-a", "album_genre:classical", "album_genre_confidence:0.5..")
    assert not album("ls", "-a", "album_genre:electronic")


def test_album_scope(album: Beets) -> None:
    """Every track gets the genre and the confidence of the album, and keeps its own votes."""
    album.settings["genreclf"]["scope"] = "album"
    album.import_music()
    assert album.field("genres") == ["Classical"] * 6
    assert album.field("predicted_genre") == ["classical"] * 6
    assert album.field("genre_confidence") == album("ls", "-a", "-f", CONFIDENCE).split() * 6
    assert album.field("genre_scope") == ["album"] * 6
    assert album.field("genre_votes") == ["classical 10"] * 3 + ["electronic 10"] * 2 + [""]
    assert album.field("genre_reason") == [""] * 6
    assert {tuple(plain_tags(path)["genre"]) for path in album.files()} == {("Classical",)}
    tags = our_tags(album.files()[3])
    assert (tags["predicted_genre"], tags["genre_scope"]) == ("classical", "album")
    album("genreclf-undo")
    assert album.field("genres") == [""] * 6
    assert not any("genre" in plain_tags(path) for path in album.files())


@pytest.mark.parametrize("option", [None, "--singletons"])
def test_path_formats_use_the_genre_of_the_album(option: str | None, album: Beets) -> None:
    path = "%if{$album_genre,$album_genre,Unknown}/$title"
    album.settings["paths"] = {"default": path, "singleton": path}
    album.import_music(*filter(None, [option]))
    folders = {path.parent.name for path in album.files()}
    assert folders == ({"classical", "electronic", "Unknown"} if option else {"classical"})
    genres = album.field("album_genre")
    expected = ["classical"] * 3 + ["electronic"] * 2 + [""]
    assert genres == (expected if option else ["classical"] * 6)
    assert set(album.field("album_genre_votes")) == (
        {""} if option else {"classical 3, electronic 2, abstained 1"}
    )


def test_album_without_a_genre_gives_paths_the_empty_text(album: Beets) -> None:
    album.settings["genreclf"]["min_confidence"] = 1
    album.settings["paths"] = {"default": "%if{$album_genre,$album_genre,Unknown}/$title"}
    album.import_music()
    assert {path.parent.name for path in album.files()} == {"Unknown"}
    assert album.field("album_genre") == [""] * 6
    album.settings["genreclf"]["auto"] = False
    album.add("never analyzed.flac")
    album("import", "-qsA", str(album.music / "never analyzed.flac"))
    assert album.field("album_genre", "title:never") == [""]


def test_album_genre_is_always_read_from_the_album(album: Beets) -> None:
    album.import_music()
    album("import", "--quiet", "--noautotag", "--library")
    album("import", "--quiet", "--noautotag", "--library")
    with closing(sqlite3.connect(album.root / "library.db")) as database:
        (copies,) = database.execute(
            "SELECT COUNT(*) FROM item_attributes WHERE key LIKE 'album_genre%'"
        ).fetchone()
    assert copies == 0
    album("modify", "--yes", "--album", "album_genre=polka")
    assert album.field("album_genre") == ["polka"] * 6
    assert len(album("ls", "album_genre:polka").splitlines()) == 6
    album("modify", "--yes", "--album", "album_genre!")
    assert album.field("album_genre") == [""] * 6


@pytest.mark.parametrize(("compilations", "expected"), [(False, 2), (True, 1)])
def test_compilations_keep_genres_per_track(
    album: Beets, compilations: bool, expected: int
) -> None:
    album.settings["genreclf"] |= {"scope": "album", "compilations": compilations, "auto": False}
    album.import_music()
    album("modify", "--yes", "--album", "comp=1")
    album("genreclf")
    assert len(set(album.field("genres")) - {""}) == expected
    assert album("ls", "-a", "-f", "$genres") == "Classical\n"


def test_unclassified_track_has_no_fields_of_its_album(album: Beets) -> None:
    (album.music / "silence.mp3").unlink()
    album.settings["genreclf"]["auto"] = False
    album.import_music()
    Path(album("ls", "-f", "$path", "title:electronic024").strip()).write_bytes(b"not audio")
    done = album.run("genreclf")
    assert done.returncode == 1
    assert "4 tracks updated, 0 unchanged, 0 abstained, 1 failed" in done.stderr
    assert track_fields(album)[-1] == FIELDS.replace("$genres", "")
    assert album("ls", "-a", "-f", "$album_genre_votes") == "classical 3, electronic 1\n"


def test_failures_of_unselected_tracks_are_not_counted(album: Beets) -> None:
    album.settings["genreclf"]["auto"] = False
    album.import_music()
    first, *others = album.files()
    for path in others:
        path.write_bytes(b"not audio")
    done = album.run("genreclf", f"path:{first}")
    assert done.returncode == 0, done.stderr
    counts = [
        int(text)
        for text in re.findall(r"(\d+) (?:tracks? updated|unchanged|abstained)", done.stderr)
    ]
    assert sum(counts) == 1
    assert "0 failed" in done.stderr
    assert done.stderr.count(f"{others[0]}: ") == 1


def test_query_selects_some_tracks_of_an_album(album: Beets) -> None:
    """All of them vote; those that were asked for change."""
    album.settings["genreclf"]["auto"] = False
    album.import_music()
    album("genreclf", "title:electronic")
    assert [line.split("|")[0] for line in track_fields(album)] == [""] * 3 + ["Electronic"] * 2 + [
        ""
    ]
    assert (
        album("ls", "-a", "-f", "$album_genre_votes") == "classical 3, electronic 2, abstained 1\n"
    )
    album("genreclf", "-f")
    assert album.field("genres") == ["Classical"] * 3 + ["Electronic"] * 2 + [""]


def test_singletons_have_no_album(album: Beets) -> None:
    album.settings["genreclf"]["scope"] = "album"
    album.import_music("--singletons")
    assert album.field("genres") == ["Classical"] * 3 + ["Electronic"] * 2 + [""]


def test_update_does_not_spread_one_genre_over_the_album(album: Beets) -> None:
    """`beet update` copies a track's fields to the album, which hands them down."""
    album.import_music()
    genres = album.field("genres")
    path = album.files()[4]
    media = MediaFile(path)
    media.comments = "edited"
    media.save()
    os.utime(path, (time.time() + 9, time.time() + 9))
    album("update")
    assert album.field("comments", "title:electronic") == ["", "edited"]
    assert album.field("genres") == genres


def test_importing_again_keeps_predictions(album: Beets) -> None:
    """But for the album's `genres`, which beets then takes from its first track."""

    def everything() -> tuple[list[str], str]:
        prediction = ALBUM_FIELDS.removeprefix("$genres|")
        return track_fields(album), album("ls", "-a", "-f", prediction)

    album.import_music()
    before = everything()
    album("import", "--quiet", "--noautotag", "--library")
    assert everything() == before


def test_changed_genre_of_an_album_does_not_change_its_tracks(album: Beets) -> None:
    album.import_music()
    predicted = album.field("predicted_genre")
    album("modify", "--yes", "--album", "album_genre=polka", "genres=Polka")
    assert album.field("predicted_genre") == predicted
    assert album.field("genres") == ["Polka"] * 6, "beets' own field is beets' own matter"


def test_missing_track_keeps_album_genre(album: Beets) -> None:
    album.settings["genreclf"] |= {"scope": "album", "auto": False}
    album.import_music()
    away = [Path(name) for name in album("ls", "-f", "$path", "title:classical").splitlines()]
    for path in away:
        path.rename(path.with_suffix(".away"))
    assert album.run("genreclf").returncode == 1
    assert album.field("genres") == [""] * 3 + ["Electronic"] * 2 + ["Electronic"]
    for path in away:
        path.with_suffix(".away").rename(path)
    album("genreclf")
    assert album.field("genres") == ["Classical"] * 6


def test_album_imported_again_as_two_albums(album: Beets) -> None:
    """Each part has a prediction and a journal id of its own."""
    album.import_music()
    album("modify", "--yes", "title:electronic", "album=Even", "albumartist=Another")
    album("import", "--quiet", "--noautotag", "--group-albums", str(album.library))
    votes = album("ls", "-a", "-f", "$album: $album_genre_votes", "album+").splitlines()
    assert votes == ["Even: electronic 2", "Odd: classical 3, abstained 1"]
    album("genreclf-undo")
    assert not album("ls", "-a", "album_genre_votes::.")


def test_tracks_of_a_deleted_album(album: Beets) -> None:
    album.settings["genreclf"]["auto"] = False
    album.import_music()
    with closing(sqlite3.connect(album.root / "library.db")) as database:
        database.execute("DELETE FROM albums")
        database.commit()
    album("genreclf")
    assert album.field("predicted_genre")[0] == "classical"


def test_queries_are_answered_as_by_beets(album: Beets) -> None:
    """They are answered by SQLite, and as beets itself would."""
    album.import_music()
    album.settings["genreclf"]["auto"] = False
    album.add("single.flac")
    album("import", "-qsA", str(album.music / "single.flac"))
    for query, count in (
        (["predicted_genre:classical"], 3),
        (["predicted_genre:CLASS"], 3),
        (["^predicted_genre:classical"], 4),
        (["predicted_genre:classical", ",", "predicted_genre:electronic"], 5),
        (["predicted_genre:classical", "genre_confidence:0.5..1"], 3),
        (["genre_confidence:..0.01"], 0),
        (["genre_confidence:0..1"], 5),
        (["^genre_confidence:0..1"], 2),
        (["genre_reason:silence"], 1),
        (["genre_model:bundled", "title:classical"], 3),
        (["predicted_genre:"], 7),
        (["predicted_genre:100%"], 0),
    ):
        assert len(album("ls", *query).splitlines()) == count, query
    for query, count in (
        (["album_genre:classical"], 6),
        (["album_genre:classical", "predicted_genre:electronic"], 2),
        (["^album_genre:classical"], 1),
        (["album_genre_confidence:0.5..0.65"], 6),
        (["album_genre_votes:abstained"], 6),
        (["album_genre:"], 7),
    ):
        assert len(album("ls", *query).splitlines()) == count, query
    assert len(album("ls", "-a", "album_genre_votes:classical").splitlines()) == 1
    assert len(album("ls", "-a", "^album_genre_votes:classical").splitlines()) == 0
