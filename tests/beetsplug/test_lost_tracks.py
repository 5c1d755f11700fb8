"""Journal ids that are lost and found again, and damaged or deleted changes."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import mutagen
import pytest
from mediafile import MediaFile

from beetsplug.genreclf.storage.journal import Journal
from tests.beetsplug.test_faults import start
from tests.conftest import Beets, Prepared
from tests.tags import every_tag, our_tags, plain_tags

DAMAGED = "damaged rows ignored: 1; their changes cannot be undone"


def classify_album(beets: Beets) -> None:
    beets.settings["genreclf"] |= {"auto": False, "policy": "replace", "min_confidence": 0}
    for number in (1, 2):
        media = MediaFile(beets.add(f"album/{number}.flac", seconds=8, seed=number - 1))
        media.album = media.albumartist = media.artist = "Own"
        media.genres = ["Old School"]
        media.save()
    beets.import_music()
    beets("genreclf")
    assert all(our_tags(path) for path in beets.files())


@pytest.fixture
def classified(prepared: Prepared) -> Beets:
    """Return a library with an album of two tracks, classified, and their original files."""
    return prepared(classify_album)


def journal_of(beets: Beets) -> Path:
    return beets.root / "library.genre-journal.db"


def original_tags(beets: Beets) -> list[list[tuple[str, str]]]:
    return [every_tag(path) for path in sorted(beets.music.rglob("*.flac"))]


def tags(beets: Beets) -> list[list[tuple[str, str]]]:
    return [every_tag(path) for path in beets.files()]


@pytest.mark.parametrize("auto", [False, True])
def test_reimported_track_is_found_by_path(classified: Beets, auto: bool) -> None:
    classified("remove", "-f")
    classified.settings["genreclf"]["auto"] = auto
    classified("import", "-qAC", str(classified.library))
    done = classified.run("genreclf-undo")
    assert done.returncode == 0, done.stderr
    assert "2 tracks and 1 album restored, 0 failed" in done.stderr
    assert "changed since" not in done.stderr
    assert tags(classified) == original_tags(classified)
    assert classified.field("genres") == ["Old School"] * 2
    assert classified("ls", "-a", "-f", "$genres") == "Old School\n"


@pytest.mark.parametrize("command", [["genreclf-undo", "--last"], ["genreclf-undo", "title:1"]])
def test_reimported_track_is_found_by_audio(classified: Beets, command: list[str]) -> None:
    classified("remove", "-f")
    elsewhere = classified.root / "elsewhere"
    classified.library.rename(elsewhere)
    classified("import", "-qA", str(elsewhere))
    done = classified.run(*command)
    assert done.returncode == 0, done.stderr
    assert tags(classified)[0] == original_tags(classified)[0]


def test_copies_do_not_share_a_journal_id(classified: Beets) -> None:
    """Another file has the path of the first, and the audio of the second."""
    assert len({*classified.field("genre_confidence")}) == 2
    first, second = classified.files()
    classified("remove", "-f")
    shutil.copy(second, first)
    classified("import", "-qAC", str(classified.library))
    done = classified.run("genreclf-undo")
    assert done.returncode == 1
    assert "no changes recorded for 1 track" in done.stderr
    assert sum(bool(our_tags(path)) for path in (first, second)) == 1
    assert "changed since" not in done.stderr


@pytest.mark.parametrize("lost", ["journal", "library"])
def test_predictions_without_changes_are_reported(classified: Beets, lost: str) -> None:
    if lost == "journal":
        journal_of(classified).unlink()
    else:
        classified.settings["library"] = str(classified.root / "other.db")
        classified("import", "-qAC", str(classified.library))
    before = tags(classified)
    for options in ([], ["title:1"]):
        done = classified.run("genreclf-undo", *options)
        assert done.returncode == 1
        assert "no changes recorded for" in done.stderr
        assert "genre-journal.db" in done.stderr
        assert "Traceback" not in done.stderr
    assert tags(classified) == before
    assert classified.run("genreclf-undo", "nothing:here").returncode == 0


def test_tracks_without_predictions_are_not_reported(beets: Beets) -> None:
    beets.settings["genreclf"]["auto"] = False
    beets.add("a.flac")
    beets.import_music()
    assert beets.run("genreclf-undo").returncode == 0


def test_damaged_rows_are_reported_by_every_command(classified: Beets) -> None:
    with closing(sqlite3.connect(journal_of(classified))) as journal, journal:
        journal.execute("UPDATE changes SET new = '{\"' WHERE id = 1")
    classified.settings["genreclf"]["auto"] = True
    for command in (
        ["modify", "-y", "comments=mine"],
        ["write", "-f"],
        ["genreclf-undo", "--list"],
        ["genreclf", "-f"],
        ["import", "-qA", "--library"],
        ["genreclf-undo"],
    ):
        done = classified.run(*command)
        assert "Traceback" not in done.stderr, (command, done.stderr)
        expected = command not in (["genreclf-undo", "--list"],)
        assert done.stderr.count(DAMAGED) == expected, (command, done.stderr)
        if expected:
            assert f"{journal_of(classified)}: {DAMAGED}" in done.stderr
    assert not our_tags(classified.files()[1]), "what is readable works"


@pytest.mark.parametrize("place", ["file", "database"])
def test_undo_fails_if_changes_are_damaged(classified: Beets, place: str) -> None:
    first = "(SELECT journal_id FROM changes WHERE place = 'file' ORDER BY id LIMIT 1)"
    with closing(sqlite3.connect(journal_of(classified))) as journal, journal:
        journal.execute(
            f"UPDATE changes SET new = '{{' WHERE place = ? AND journal_id = {first}", (place,)
        )
    done = classified.run("genreclf-undo")
    assert done.returncode == 1
    assert "1 track and 1 album restored, 1 failed" in done.stderr
    assert (
        f"{classified.files()[0]}: restored in part, because the journal is damaged" in done.stderr
    )
    assert bool(our_tags(classified.files()[0])) == (place == "file")
    assert tags(classified)[1] == original_tags(classified)[1]


def test_journal_records_tags_as_they_are_saved(classified: Beets) -> None:
    """Written by the plugin and by beets, in the configured version of ID3."""
    classified.settings["id3v23"] = True
    classified.settings["genreclf"] |= {
        "policy": "append",
        "names": {"electronic": "One/Other"},
    }
    shutil.rmtree(classified.music)
    for number, kind in enumerate(("mp3", "aiff", "m4a", "ogg")):
        path = classified.add(f"{number}.{kind}", seconds=8, seed=number)
        media = MediaFile(path)
        media.genres = ["Hip-Hop/Rap", "Old"]
        media.save()
    before = {path.suffix: plain_tags(path) for path in classified.music.iterdir()}
    classified.import_music("--singletons")
    classified("genreclf", "singleton:true")
    classified("write", "-f", "singleton:true")
    done = classified.run("genreclf-undo", "singleton:true")
    assert "changed since" not in done.stderr
    for path in classified.files():
        if path.suffix != ".flac":
            assert not our_tags(path)
            assert "".join(plain_tags(path)["genre"]).replace("/", "") in (
                "".join(before[path.suffix]["genre"]).replace("/", "")
            )


def test_old_changes_can_be_deleted(classified: Beets) -> None:
    predicted = classified.field("genres")
    refused = classified.run("genreclf-undo", "--forget-older-than", "-1")
    assert (refused.returncode, "must be 0 or more" in refused.stderr) == (1, True)
    refused = classified.run("genreclf-undo", "--forget-older-than", "3", "--last")
    assert (refused.returncode, "cannot be combined" in refused.stderr) == (1, True)
    for days in ("3", "9" * 400):
        done = classified.run("genreclf-undo", "--forget-older-than", days)
        assert (done.returncode, "deleted 0 changes" in done.stderr) == (0, True)
    with closing(sqlite3.connect(journal_of(classified))) as journal, journal:
        journal.execute("UPDATE changes SET time = time - 4 * 86400")
    done = classified.run("genreclf-undo", "--forget-older-than", "3")
    assert "deleted 5 changes, which can no longer be undone" in done.stderr
    assert "no runs recorded" in classified.run("genreclf-undo", "--list").stderr
    classified.settings["genreclf"] |= {"policy": "append", "names": {predicted[0]: "Another Name"}}
    classified("genreclf", "-f")
    assert classified.field("genres")[0] == "Another Name", "the first gave way"
    classified("genreclf-undo", "--last")
    assert classified.field("genres") == predicted
    done = classified.run("genreclf-undo")
    assert done.returncode == 1
    assert "its changes were deleted" in done.stderr
    assert classified.field("genres") == predicted


def wait_until_locked(path: Path) -> None:
    """Wait until a command waits its turn."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as queue:
        while True:
            try:
                queue.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                return
            queue.execute("ROLLBACK")
            time.sleep(0.2)


def test_waiting_for_the_lock_is_reported(classified: Beets) -> None:
    program = (
        "import sys, pathlib\n"
        "from beetsplug.genreclf.storage.journal import Journal\n"
        "with Journal(pathlib.Path(sys.argv[1])).lock():\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    classified.settings["genreclf"]["auto"] = True
    new = str(classified.add("b.flac", seconds=2))
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(journal_of(classified))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    importing = start(classified, "import", "-qA", new)
    wait_until_locked(journal_of(classified).with_suffix(".queue"))
    began = time.monotonic()
    classifying = start(classified, "genreclf", "-f", "title:1")
    assert classifying.stderr
    first_line = classifying.stderr.readline()  # an import prints it when it ends
    assert time.monotonic() - began > 3
    time.sleep(1)
    holder.communicate("\n")
    for process, printed in ((importing, ""), (classifying, first_line)):
        _, rest = process.communicate(timeout=100)
        assert process.returncode == 0, printed + rest
        message = "waiting for another command that is changing the library"
        assert (printed + rest).count(f"{message} (process {holder.pid})") == 1
    assert Journal(journal_of(classified)).runs()
    assert mutagen.File(classified.files()[0])
