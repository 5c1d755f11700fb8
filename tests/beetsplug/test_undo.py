"""`beet genreclf-undo`: the database and all files are as before."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import mutagen
import pytest
from mediafile import MediaFile

from beetsplug.genreclf.fields import MEDIA_FIELDS
from tests.beetsplug.test_faults import run_as_a_user
from tests.conftest import Beets, Prepared
from tests.platforms import permissions
from tests.sounds import CONTAINERS
from tests.tagged_music import add_tags, tags_of
from tests.tags import OURS, audio_bytes, every_tag, is_ours, our_tags, plain_tags


@pytest.fixture
def one_track(prepared: Prepared) -> Beets:
    """Return such a library of a track without tags, which is analyzed but not classified."""
    return prepared(import_one_track)


@pytest.fixture
def two_tracks(prepared: Prepared) -> Beets:
    """Return an album of two such tracks."""
    return prepared(import_two_tracks)


def import_one_track(beets: Beets) -> None:
    import_analyzed(beets, "a.flac")


def import_two_tracks(beets: Beets) -> None:
    import_analyzed(beets, "a.flac", "b.flac")


def import_analyzed(beets: Beets, *names: str) -> None:
    beets.settings["genreclf"] |= {"auto": False, "policy": "replace", "min_confidence": 0}
    for name in names:
        beets.add(name)
    beets.import_music()
    beets("genreclf", "--pretend")  # all of it is in the cache


def test_undo_restores_every_container(library: Beets) -> None:
    for kind in CONTAINERS:
        add_tags(library.add(f"track.{kind}", seconds=4))
    add_tags(Path(shutil.copy(library.music / "track.mp3", library.music / "v23.mp3")))
    for kind in ("mp3", "flac", "wav", "wv", "dsf"):  # files without tags
        bare = library.add(f"bare.{kind}", seconds=4)
        mutagen.File(bare).delete()
    library.import_music()
    tags, rows = tags_of(library), library.rows()
    audio = {path: audio_bytes(path) for path in tags}
    assert len(tags) == len(CONTAINERS) + 6

    done = library.run("genreclf")
    assert done.returncode == 0, done.stderr
    for path, before in tags.items():
        others = [tag for tag in every_tag(path) if not is_ours(tag[0]) and tag[0] != "version"]
        assert others == [tag for tag in before if not is_ours(tag[0]) and tag[0] != "version"]
        assert dict(before).get("version", "") in str(every_tag(path))
        assert audio_bytes(path) == audio[path], path
        predicted = our_tags(path).get("predicted_genre", "")
        assert (plain_tags(path)["genre"] == [predicted.title()]) == (path.suffix != ".ape"), path

    library("genreclf-undo")
    assert tags_of(library) == tags
    assert library.rows() == rows
    assert {path: audio_bytes(path) for path in tags} == audio


def test_later_changes_of_the_user_are_kept_and_reported(library: Beets) -> None:
    for name in ("a.flac", "b.mp3", "c.m4a"):
        add_tags(library.add(name))
    library.import_music()
    library("genreclf")
    library("modify", "--yes", "title:a", "genres=Bebop")  # in database and file
    b = next(path for path in library.files() if path.suffix == ".mp3")
    media = MediaFile(b)
    media.genres = ["Swing"]  # in the file alone
    media.save()
    done = library.run("genreclf-undo")
    assert done.returncode == 0
    assert "a.flac: not restored, changed since: genres" in done.stderr
    assert "b.mp3: not restored, changed since: genres" in done.stderr
    assert "c.m4a" not in done.stderr
    assert library.field("genres") == ["Bebop", "Old School; Polka", "Old School; Polka"]
    written = [plain_tags(path)["genre"] for path in library.files()]
    assert written == [["Bebop"], ["Swing"], ["Old School", "Polka"]]
    assert not any(our_tags(path) for path in library.files())


def test_undo_of_one_track_keeps_its_album(two_tracks: Beets) -> None:
    rows = two_tracks.rows()
    two_tracks("genreclf")
    album = two_tracks("ls", "-a", "-f", "$genres $album_genre")
    shown = two_tracks("genreclf-undo", "title:a")
    assert " -> differs" not in shown, "the album's fields are not the track's"
    assert [bool(our_tags(path)) for path in two_tracks.files()] == [False, True]
    assert not two_tracks("ls", "title:a", "predicted_genre::.")
    assert two_tracks("ls", "-a", "-f", "$genres $album_genre") == album
    two_tracks("genreclf-undo")
    assert two_tracks.rows() == rows


def test_restored_track_has_no_prediction_of_its_album(two_tracks: Beets) -> None:
    rows = two_tracks.rows()
    two_tracks("genreclf")
    two_tracks.settings["genreclf"]["names"] = dict.fromkeys(
        two_tracks.field("predicted_genre"), "Music"
    )
    two_tracks("genreclf", "--force")
    two_tracks("genreclf-undo", "title:a")
    two_tracks("genreclf-undo", "--last")
    assert two_tracks("ls", "-a", "-f", "$album_genre").strip()
    assert not two_tracks("ls", "title:a", "predicted_genre::.")
    two_tracks("genreclf-undo", "--last")
    assert two_tracks.rows() == rows


def test_missing_file_can_be_restored_later(two_tracks: Beets) -> None:
    tags = tags_of(two_tracks)
    two_tracks("genreclf")
    away = two_tracks.files()[0]
    away.rename(two_tracks.root / "away")
    done = two_tracks.run("genreclf-undo")
    assert done.returncode == 1
    assert f"{away}: " in done.stderr
    assert two_tracks.field("predicted_genre")[0] != "$predicted_genre"
    (two_tracks.root / "away").rename(away)
    two_tracks("genreclf-undo")
    assert tags_of(two_tracks) == tags


def test_moved_and_reimported_track_is_restored(library: Beets) -> None:
    add_tags(library.add("a.flac"))
    library.import_music()
    ((_, tags),) = tags_of(library).items()
    library("genreclf")
    library("modify", "--yes", "--nowrite", "title=Another")
    library("import", "--quiet", "--noautotag", "--library")
    library("genreclf-undo")
    (path,) = library.files()
    assert path.name == "00 Another.flac"
    assert every_tag(path) == tags


def test_tags_written_by_beets_are_restored(library: Beets) -> None:
    for name in ("a.flac", "b.flac"):
        add_tags(library.add(name))
    library.import_music()
    library("genreclf", "--nowrite")
    assert not any(our_tags(path) for path in library.files())
    library("modify", "--yes", "--nowrite", "title:b", "genres=Bebop")
    library("write")
    assert all(our_tags(path) for path in library.files())
    library("genreclf-undo")
    assert not any(our_tags(path) for path in library.files())
    written = [plain_tags(path)["genre"] for path in library.files()]
    assert written == [["Old School", "Polka"], ["Bebop"]]


def test_broken_journal_stops_all_changes(one_track: Beets) -> None:
    tags, rows = tags_of(one_track), one_track.rows()
    journal = one_track.root / "library.genre-journal.db"
    journal.write_text("garbage" * 200)
    for command in ("genreclf", "genreclf-undo"):
        done = one_track.run(command)
        assert (tags_of(one_track), one_track.rows()) == (tags, rows)
        assert "Traceback" not in done.stderr
    assert done.returncode == 0, "there is nothing to undo"
    done = one_track.run("genreclf")
    assert done.returncode == 1
    assert f"{journal}: file is not a database" in done.stderr
    one_track.settings["genreclf"]["auto"] = True
    one_track.add("b.flac")
    imported = one_track.run("import", "--quiet", "--noautotag", "--singletons", "music/b.flac")
    assert f"{journal}: file is not a database" in imported.stderr
    assert one_track.field("title", "title:b") == ["b"], "the import itself goes on"


def test_recorded_but_unapplied_changes_are_ignored(library: Beets) -> None:
    library.add("a.flac")
    library.import_music("--singletons")
    tags, rows = tags_of(library), library.rows()
    library("genreclf")
    with closing(sqlite3.connect(library.root / "library.genre-journal.db")) as database:
        (journal_id,) = database.execute("SELECT DISTINCT journal_id FROM changes").fetchone()
        for place, new in (
            ("database", '{"genres": ["polka"]}'),
            ("file", '{"genres": {"text": ["polka"], "key": "GENRE"}}'),
        ):
            text = plain_tags(library.files()[0])["genre"]
            old = {"genres": text} if place == "database" else {"genres": {"text": text}}
            row: tuple[Any, ...] = (1, 0.0, journal_id, place, "", json.dumps(old), new)
            database.execute(
                "INSERT INTO changes (run, time, journal_id, place, path, old, new, author) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, 'plugin')",
                row,
            )
        database.commit()
    library("genreclf-undo")
    assert (tags_of(library), library.rows()) == (tags, rows)


def test_update_finds_no_changes(library: Beets) -> None:
    """Whether or not tags are written, and after undo."""
    library.add("a.flac")
    library.import_music("--copy", "--write")
    os.utime(library.files()[0], (time.time() - 9, time.time() - 9))
    library("update")
    for options in (["-W"], ["-f", "-w"]):
        library("genreclf", *options)
        assert library("update") == ""
        assert library.field("genre_model") == ["bundled-cnn-4"]
    library("genreclf-undo")
    assert library("update") == ""


def test_genres_set_by_the_user_are_kept_if_an_earlier_run_set_the_same(library: Beets) -> None:
    library.add("a.flac", seconds=12)
    library.import_music()
    library("genreclf")
    (first,) = library.field("genres")
    library.settings["genreclf"] |= {"exclude": [first], "policy": "fill"}
    library("genreclf", "-f")
    assert library.field("genres") != [first]
    library("modify", "--yes", f"genres={first}")
    library("genreclf", "-f")
    assert library.field("genres") == [first]
    done = library.run("genreclf-undo")
    assert "not restored, changed since: genres" in done.stderr
    assert library.field("genres") == [first]


def test_policy_change_updates_database_and_file(library: Beets) -> None:
    add_tags(library.add("a.flac", seconds=12))
    library.settings["genreclf"]["policy"] = "append"
    library.import_music()
    library("genreclf")
    (predicted,) = library.field("predicted_genre")
    (path,) = library.files()
    assert plain_tags(path)["genre"] == ["Old School", "Polka", predicted.title()]
    library.settings["genreclf"]["names"] = {predicted: "Polka"}
    library("genreclf", "-f")
    assert library.field("genres") == ["Old School; Polka"]
    assert plain_tags(path)["genre"] == ["Old School", "Polka"]
    library.settings["genreclf"] |= {"policy": "replace", "write": False}
    library("genreclf", "-f")
    library.settings["genreclf"]["policy"] = "append"
    library("genreclf", "-w")
    assert library.field("genres") == ["Polka"]
    assert plain_tags(path)["genre"] == ["Polka"]


def test_converted_files_are_restored(library: Beets, monkeypatch: pytest.MonkeyPatch) -> None:
    becomes = {"mp3": "flac", "flac": "m4a", "m4a": "mp3"}
    for was in becomes:
        add_tags(library.add(f"{was}.{was}"))
    library.import_music()
    library("genreclf")
    for name, field in MEDIA_FIELDS.items():
        monkeypatch.setattr(MediaFile, name, field, raising=False)
    converted = []
    for was, path in library.file_by_container().items():
        converted.append(library.add(f"converted.{becomes[was]}"))
        media = MediaFile(converted[-1])
        media.update({name: getattr(MediaFile(path), name) for name in ("title", "genres", *OURS)})
        media.save()
        with closing(sqlite3.connect(library.root / "library.db")) as database:
            changed = database.execute(
                "UPDATE items SET path = ? WHERE title = ?", (os.fsencode(converted[-1]), was)
            )
            assert changed.rowcount == 1
            database.commit()
    library("genreclf-undo")
    assert len(converted) == len(becomes)
    for path in converted:
        assert plain_tags(path)["genre"] == ["Old School", "Polka"], path
        assert not our_tags(path), path


@permissions
def test_failed_tag_write_is_retried_by_the_next_run(one_track: Beets) -> None:
    (path,) = one_track.files()
    path.chmod(0o444)
    for _ in range(2):
        assert "1 failed" in run_as_a_user(one_track, "genreclf").stderr
    path.chmod(0o644)
    assert not our_tags(path)
    one_track("genreclf")
    assert our_tags(path)["predicted_genre"] == one_track.field("predicted_genre")[0]


@pytest.mark.parametrize("options", [[], ["--last"]])
def test_pretend_finds_reimported_tracks(one_track: Beets, options: list[str]) -> None:
    one_track("genreclf")
    one_track("remove", "--force")
    one_track("import", "--quiet", "--noautotag", "--nocopy", str(one_track.library))
    rows = one_track.rows()
    done = one_track.run("genreclf-undo", "--pretend", *options)
    assert "1 track and 1 album would be restored, 0 failed" in done.stderr
    assert one_track.rows() == rows
    assert not one_track("ls", "genre_journal_id::.")


def test_quiet_prints_the_summary_only(one_track: Beets) -> None:
    one_track("genreclf")
    done = one_track.run("genreclf-undo", "--quiet")
    assert done.stdout == ""
    assert done.stderr == "genreclf: 1 track and 1 album restored, 0 failed\n"
