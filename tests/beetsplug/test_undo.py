"""Stories of changing one's mind: pretend, change, take back, and nothing has happened."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import mutagen
import pytest
from mediafile import Image, MediaFile
from mutagen.id3 import TYER

from beetsplug.genreclf.fields import MEDIA_FIELDS
from tests.conftest import Beets
from tests.sounds import CONTAINERS
from tests.tags import OURS, audio_bytes, every_tag, is_ours, our_tags, plain_tags

pytestmark = pytest.mark.usefixtures("known_analyses")

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000"
    "00030101003b2e5a9c0000000049454e44ae426082"
)


@pytest.fixture
def decided(beets: Beets) -> Beets:
    """Return a library that nothing has been done to; all that sounds like music is decided."""
    beets.settings["genreclf"] = {
        "auto": False, "write": True, "genres": "replace", "min_confidence": 0, "threads": 1,
    }  # fmt: skip
    return beets


def tags_of(beets: Beets) -> dict[Path, list[tuple[str, str]]]:
    return {path: every_tag(path) for path in beets.files()}


def dress(path: Path) -> None:
    """Give a file the tags of one that somebody has cared for."""
    media = MediaFile(path, id3v23=path.name == "v23.mp3")
    media.update({"title": path.stem, "comments": "bought in 1998", "lyrics": "la", "bpm": 120})
    media.genres = ["Old School", "Polka"]
    if not path.name.endswith(".ape"):
        media.images = [Image(PIXEL, desc="front")]
    media.save()
    file = mutagen.File(path)
    if file.tags.__class__.__name__ == "APEv2":  # as most programs spell it
        file["Genre"] = [*file.pop("GENRE")]
        file.save()
    elif path.suffix == ".flac":
        file["Genre"] = file.pop("genre")
        file.save()
    elif path.name == "v23.mp3":
        file.tags["TCON"].encoding = 1
        file.tags.add(TYER(encoding=0, text=["1998"]))
        file.save(v2_version=3)


def test_every_container(decided: Beets) -> None:
    for kind in CONTAINERS:
        dress(decided.add(f"track.{kind}", seconds=4))
    dress(Path(shutil.copy(decided.music / "track.mp3", decided.music / "v23.mp3")))
    for kind in ("mp3", "flac", "wav", "wv", "dsf"):  # files that nobody has cared for
        bare = decided.add(f"bare.{kind}", seconds=4)
        mutagen.File(bare).delete()
    decided.import_music()
    tags, rows = tags_of(decided), decided.rows()
    audio = {path: audio_bytes(path) for path in tags}
    assert len(tags) == len(CONTAINERS) + 6

    done = decided.run("genreclf")
    assert done.returncode == 0, done.stderr
    for path, before in tags.items():
        others = [tag for tag in every_tag(path) if not is_ours(tag[0]) and tag[0] != "version"]
        assert others == [tag for tag in before if not is_ours(tag[0]) and tag[0] != "version"]
        assert dict(before).get("version", "") in str(every_tag(path))
        assert audio_bytes(path) == audio[path], path
        heard = our_tags(path).get("predicted_genre")
        assert (plain_tags(path)["genre"] == [heard]) == (path.suffix != ".ape"), path

    decided("genreclf-undo")
    assert tags_of(decided) == tags
    assert decided.rows() == rows
    assert {path: audio_bytes(path) for path in tags} == audio


def test_run_by_run(decided: Beets) -> None:
    path = decided.add("a.flac")
    dress(path)
    decided.import_music()
    states = []
    for policy in ("append", "prepend", "replace"):
        decided.settings["genreclf"]["genres"] = policy
        states.append((tags_of(decided), decided.rows()))
        decided("genreclf", "--force")
    listed = decided("genreclf-undo", "--list").splitlines()
    assert [line.split(":")[0] for line in listed] == ["1", "2", "3"]
    assert all(line.endswith("genreclf, 2 tracks and albums") for line in listed)

    refused = decided.run("genreclf-undo", "--run", "1")
    assert refused.returncode == 1
    assert "changed again by run 3, which has to be undone first" in refused.stderr
    for state in reversed(states):
        decided("genreclf-undo", "--last")
        assert (tags_of(decided), decided.rows()) == state
    assert all("(undone)" in line for line in decided("genreclf-undo", "--list").splitlines())
    nothing = decided.run("genreclf-undo", "--last")
    assert (nothing.returncode, "nothing to undo" in nothing.stderr) == (1, True)
    unknown = decided.run("genreclf-undo", "--run", "9")
    assert (unknown.returncode, "there is no run 9" in unknown.stderr) == (1, True)


def test_what_the_user_changed_since_is_told_and_left_alone(decided: Beets) -> None:
    for name in ("a.flac", "b.mp3", "c.m4a"):
        dress(decided.add(name))
    decided.import_music()
    decided("genreclf")
    decided("modify", "--yes", "title:a", "genres=Bebop")  # in database and file
    b = next(path for path in decided.files() if path.suffix == ".mp3")
    media = MediaFile(b)
    media.genres = ["Swing"]  # in the file alone
    media.save()
    done = decided.run("genreclf-undo")
    assert done.returncode == 0
    assert "a.flac: changed since, left alone: genres" in done.stderr
    assert "b.mp3: changed since, left alone: genres" in done.stderr
    assert "c.m4a" not in done.stderr
    assert decided.field("genres") == ["Bebop", "Old School; Polka", "Old School; Polka"]
    written = [plain_tags(path)["genre"] for path in decided.files()]
    assert written == [["Bebop"], ["Swing"], ["Old School", "Polka"]]
    assert not any(our_tags(path) for path in decided.files())


def test_one_track_of_an_album(decided: Beets) -> None:
    for name in ("a.flac", "b.flac"):
        decided.add(name)
    decided.import_music()
    rows = decided.rows()
    decided("genreclf")
    album = decided("ls", "-a", "-f", "$genres $predicted_genre")
    shown = decided("genreclf-undo", "title:a")
    assert " -> differs" not in shown, "the album's fields are not the track's"
    assert [bool(our_tags(path)) for path in decided.files()] == [False, True]
    assert decided.field("predicted_genre", "title:a") == [""]
    assert decided("ls", "-a", "-f", "$genres $predicted_genre") == album
    decided("genreclf-undo")
    assert decided.rows() == rows


def test_a_restored_track_does_not_show_what_its_album_still_has(decided: Beets) -> None:
    for name in ("a.flac", "b.flac"):
        decided.add(name)
    decided.import_music()
    rows = decided.rows()
    decided("genreclf")
    decided.settings["genreclf"]["title_case"] = True
    decided("genreclf", "--force")
    decided("genreclf-undo", "title:a")
    decided("genreclf-undo", "--last")
    assert decided("ls", "-a", "-f", "$predicted_genre").strip()
    assert decided.field("predicted_genre", "title:a") == [""]
    decided("genreclf-undo", "--last")
    assert decided.rows() == rows


def test_a_file_that_is_away_can_be_undone_later(decided: Beets) -> None:
    for name in ("a.flac", "b.flac"):
        decided.add(name)
    decided.import_music()
    tags = tags_of(decided)
    decided("genreclf")
    away = decided.files()[0]
    away.rename(decided.root / "away")
    done = decided.run("genreclf-undo")
    assert done.returncode == 1
    assert f"{away}: " in done.stderr
    assert decided.field("predicted_genre")[0] != "$predicted_genre"
    (decided.root / "away").rename(away)
    decided("genreclf-undo")
    assert tags_of(decided) == tags


def test_moved_and_imported_again(decided: Beets) -> None:
    """The history of a track follows it."""
    dress(decided.add("a.flac"))
    decided.import_music()
    ((_, tags),) = tags_of(decided).items()
    decided("genreclf")
    decided("modify", "--yes", "--nowrite", "title=Another")
    decided("import", "--quiet", "--noautotag", "--library")
    decided("genreclf-undo")
    (path,) = decided.files()
    assert path.name == "00 Another.flac"
    assert every_tag(path) == tags


def test_tags_that_beets_has_written_itself(decided: Beets) -> None:
    for name in ("a.flac", "b.flac"):
        dress(decided.add(name))
    decided.import_music()
    decided("genreclf", "--nowrite")
    assert not any(our_tags(path) for path in decided.files())
    decided("modify", "--yes", "--nowrite", "title:b", "genres=Bebop")
    decided("write")
    assert all(our_tags(path) for path in decided.files())
    decided("genreclf-undo")
    assert not any(our_tags(path) for path in decided.files())
    written = [plain_tags(path)["genre"] for path in decided.files()]
    assert written == [["Old School", "Polka"], ["Bebop"]]


def test_an_import_can_be_undone(decided: Beets) -> None:
    decided.settings["genreclf"]["auto"] = True
    dress(decided.add("a.flac"))
    tags = every_tag(decided.music / "a.flac")
    decided.import_music()
    assert decided("genreclf-undo", "--list").endswith("import, 2 tracks and albums\n")
    (path,) = decided.files()
    assert our_tags(path)
    decided("genreclf-undo")
    assert every_tag(path) == tags
    assert decided.field("genres") == ["Old School; Polka"]


def test_nothing_is_changed_that_cannot_be_journalled(decided: Beets) -> None:
    decided.add("a.flac")
    decided.import_music()
    tags, rows = tags_of(decided), decided.rows()
    journal = decided.root / "library.genre-journal.db"
    journal.write_text("garbage" * 200)
    for command in ("genreclf", "genreclf-undo"):
        done = decided.run(command)
        assert (tags_of(decided), decided.rows()) == (tags, rows)
        assert "Traceback" not in done.stderr
    assert done.returncode == 0, "there is nothing to undo"
    done = decided.run("genreclf")
    assert done.returncode == 1
    assert f"{journal}: file is not a database" in done.stderr
    decided.settings["genreclf"]["auto"] = True
    decided.add("b.flac")
    imported = decided.run("import", "--quiet", "--noautotag", "--singletons", "music/b.flac")
    assert f"{journal}: file is not a database" in imported.stderr
    assert decided.field("title", "title:b") == ["b"], "the import itself goes on"


def test_a_crash_between_journal_and_database(decided: Beets) -> None:
    """What was written down but not made is no obstacle."""
    decided.add("a.flac")
    decided.import_music("--singletons")
    tags, rows = tags_of(decided), decided.rows()
    decided("genreclf")
    with closing(sqlite3.connect(decided.root / "library.genre-journal.db")) as database:
        (journal_id,) = database.execute("SELECT DISTINCT journal_id FROM changes").fetchone()
        for place, new in (
            ("database", '{"genres": ["polka"]}'),
            ("file", '{"genres": {"text": ["polka"], "key": "GENRE"}}'),
        ):
            text = plain_tags(decided.files()[0])["genre"]
            old = {"genres": text} if place == "database" else {"genres": {"text": text}}
            row: tuple[Any, ...] = (1, 0.0, journal_id, place, "", json.dumps(old), new)
            database.execute(
                "INSERT INTO changes (run, time, journal_id, place, path, old, new) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        database.commit()
    decided("genreclf-undo")
    assert (tags_of(decided), decided.rows()) == (tags, rows)


def test_update_has_nothing_to_say_of_what_the_plugin_did(decided: Beets) -> None:
    """Whether or not tags are written, and after undo."""
    decided.add("a.flac")
    decided.import_music("--copy", "--write")
    os.utime(decided.files()[0], (time.time() - 9, time.time() - 9))
    decided("update")
    for options in (["-W"], ["-f", "-w"]):
        decided("genreclf", *options)
        assert decided("update") == ""
        assert decided.field("genre_model") == ["bundled-cnn-3"]
    decided("genreclf-undo")
    assert decided("update") == ""


def test_what_the_user_set_back_is_theirs(decided: Beets) -> None:
    """Though it is what an earlier run has written."""
    decided.add("a.flac", seconds=12)
    decided.import_music()
    decided("genreclf")
    (first,) = decided.field("genres")
    decided.settings["genreclf"] |= {"ignore": [first], "genres": "fill"}
    decided("genreclf", "-f")
    assert decided.field("genres") != [first]
    decided("modify", "--yes", f"genres={first}")
    decided("genreclf", "-f")
    assert decided.field("genres") == [first]
    done = decided.run("genreclf-undo")
    assert "changed since, left alone: genres" in done.stderr
    assert decided.field("genres") == [first]


def test_database_and_file_agree_after_a_change_of_policy(decided: Beets) -> None:
    dress(decided.add("a.flac", seconds=12))
    decided.settings["genreclf"]["genres"] = "append"
    decided.import_music()
    decided("genreclf")
    (heard,) = decided.field("predicted_genre")
    (path,) = decided.files()
    assert plain_tags(path)["genre"] == ["Old School", "Polka", heard]
    decided.settings["genreclf"]["names"] = {heard: "Polka"}
    decided("genreclf", "-f")
    assert decided.field("genres") == ["Old School; Polka"]
    assert plain_tags(path)["genre"] == ["Old School", "Polka"]
    decided.settings["genreclf"] |= {"genres": "replace", "write": False}
    decided("genreclf", "-f")
    decided.settings["genreclf"]["genres"] = "append"
    decided("genreclf", "-w")
    assert decided.field("genres") == ["Polka"]
    assert plain_tags(path)["genre"] == ["Polka"]


def test_the_last_run_that_can_be_undone(decided: Beets) -> None:
    for name in ("a.flac", "b.flac"):
        decided.add(name)
    decided.import_music("--singletons")
    decided("genreclf", "title:a")
    decided("genreclf", "title:b")
    done = decided.run("genreclf-undo", "--last", "--run", "1")
    assert (done.returncode, "either --last or --run" in done.stderr) == (1, True)
    decided("remove", "--force", "title:b")
    decided("genreclf-undo", "--last")
    assert not decided("ls", "predicted_genre::.")
    assert "there is nothing to undo" in decided.run("genreclf-undo", "--last").stderr


def test_files_that_were_converted_since(decided: Beets, monkeypatch: pytest.MonkeyPatch) -> None:
    becomes = {"mp3": "flac", "flac": "m4a", "m4a": "mp3"}
    for was in becomes:
        dress(decided.add(f"{was}.{was}"))
    decided.import_music()
    decided("genreclf")
    for name, field in MEDIA_FIELDS.items():
        monkeypatch.setattr(MediaFile, name, field, raising=False)
    converted = []
    for was, path in decided.file_by_container().items():
        converted.append(decided.add(f"converted.{becomes[was]}"))
        media = MediaFile(converted[-1])
        media.update({name: getattr(MediaFile(path), name) for name in ("title", "genres", *OURS)})
        media.save()
        with closing(sqlite3.connect(decided.root / "library.db")) as database:
            changed = database.execute(
                "UPDATE items SET path = ? WHERE title = ?", (os.fsencode(converted[-1]), was)
            )
            assert changed.rowcount == 1
            database.commit()
    decided("genreclf-undo")
    assert len(converted) == len(becomes)
    for path in converted:
        assert plain_tags(path)["genre"] == ["Old School", "Polka"], path
        assert not our_tags(path), path


def test_a_file_that_could_not_be_written_is_written_by_the_next_run(decided: Beets) -> None:
    decided.add("a.flac")
    decided.import_music()
    (path,) = decided.files()
    subprocess.run(["chattr", "+i", str(path)], check=True)
    try:
        assert "1 failed" in decided.run("genreclf").stderr
        assert "1 failed" in decided.run("genreclf").stderr
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)
    assert not our_tags(path)
    decided("genreclf")
    assert our_tags(path)["predicted_genre"] == decided.field("predicted_genre")[0]
