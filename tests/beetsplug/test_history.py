"""Stories of histories that are lost, found again, damaged and forgotten."""

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
from tests.conftest import Beets
from tests.tags import every_tag, our_tags, plain_tags

DAMAGED = "damaged rows ignored: 1; their changes cannot be undone"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Beets:
    """Return a library of an album of two tracks, decided, with the tags of before."""
    beets = Beets(tmp_path_factory.mktemp("history"))
    beets.settings["genreclf"] |= {"auto": False, "genres": "replace", "min_confidence": 0}
    for number in (1, 2):
        media = MediaFile(beets.add(f"album/{number}.flac", seconds=8, seed=number - 1))
        media.album = media.albumartist = media.artist = "Own"
        media.genres = ["Old School"]
        media.save()
    beets.import_music()
    beets("genreclf")
    assert all(our_tags(path) for path in beets.files())
    beets.keep()
    return beets


@pytest.fixture
def decided(made: Beets) -> Beets:
    made.restore()
    return made


def journal_of(beets: Beets) -> Path:
    return beets.root / "library.genre-journal.db"


def original_tags(beets: Beets) -> list[list[tuple[str, str]]]:
    return [every_tag(path) for path in sorted(beets.music.rglob("*.flac"))]


def tags(beets: Beets) -> list[list[tuple[str, str]]]:
    return [every_tag(path) for path in beets.files()]


@pytest.mark.parametrize("auto", [False, True])
def test_history_is_found_again_by_path(decided: Beets, auto: bool) -> None:
    decided("remove", "-f")
    decided.settings["genreclf"]["auto"] = auto
    decided("import", "-qAC", str(decided.library))
    done = decided.run("genreclf-undo")
    assert done.returncode == 0, done.stderr
    assert "2 tracks and 1 albums restored, 0 failed" in done.stderr
    assert "changed since" not in done.stderr
    assert tags(decided) == original_tags(decided)
    assert decided.field("genres") == ["Old School"] * 2
    assert decided("ls", "-a", "-f", "$genres") == "Old School\n"


@pytest.mark.parametrize("command", [["genreclf-undo", "--last"], ["genreclf-undo", "title:1"]])
def test_history_is_found_again_by_audio(decided: Beets, command: list[str]) -> None:
    decided("remove", "-f")
    elsewhere = decided.root / "elsewhere"
    decided.library.rename(elsewhere)
    decided("import", "-qA", str(elsewhere))
    done = decided.run(*command)
    assert done.returncode == 0, done.stderr
    assert tags(decided)[0] == original_tags(decided)[0]


def test_another_file_in_the_same_place_has_another_history(decided: Beets) -> None:
    """Nor do two copies of a file have the same."""
    assert len({*decided.field("genre_confidence")}) == 2
    first, second = decided.files()
    decided("remove", "-f")
    shutil.copy(second, first)
    decided("import", "-qAC", str(decided.library))
    done = decided.run("genreclf-undo")
    assert done.returncode == 1
    assert "no history of 1 tracks" in done.stderr
    assert sum(bool(our_tags(path)) for path in (first, second)) == 1
    assert "changed since" not in done.stderr


@pytest.mark.parametrize("lost", ["journal", "library"])
def test_tracks_of_unknown_history_are_reported(decided: Beets, lost: str) -> None:
    if lost == "journal":
        journal_of(decided).unlink()
    else:
        decided.settings["library"] = str(decided.root / "other.db")
        decided("import", "-qAC", str(decided.library))
    before = tags(decided)
    for options in ([], ["title:1"]):
        done = decided.run("genreclf-undo", *options)
        assert done.returncode == 1
        assert "no history of" in done.stderr
        assert "genre-journal.db" in done.stderr
        assert "Traceback" not in done.stderr
    assert tags(decided) == before
    assert decided.run("genreclf-undo", "nothing:here").returncode == 0


def test_tracks_without_predictions_have_no_history_and_need_none(beets: Beets) -> None:
    beets.settings["genreclf"]["auto"] = False
    beets.add("a.flac")
    beets.import_music()
    assert beets.run("genreclf-undo").returncode == 0


def test_damaged_rows_are_reported_by_every_command(decided: Beets) -> None:
    with closing(sqlite3.connect(journal_of(decided))) as journal, journal:
        journal.execute("UPDATE changes SET new = '{\"' WHERE id = 1")
    decided.settings["genreclf"]["auto"] = True
    for command in (
        ["modify", "-y", "comments=mine"],
        ["write", "-f"],
        ["genreclf-undo", "--list"],
        ["genreclf", "-f"],
        ["import", "-qA", "--library"],
        ["genreclf-undo"],
    ):
        done = decided.run(*command)
        assert "Traceback" not in done.stderr, (command, done.stderr)
        expected = command not in (["genreclf-undo", "--list"],)
        assert done.stderr.count(DAMAGED) == expected, (command, done.stderr)
        if expected:
            assert f"{journal_of(decided)}: {DAMAGED}" in done.stderr
    assert not our_tags(decided.files()[1]), "what is readable works"


@pytest.mark.parametrize("place", ["file", "database"])
def test_undo_fails_where_part_of_a_history_is_damaged(decided: Beets, place: str) -> None:
    first = "(SELECT journal_id FROM changes WHERE place = 'file' ORDER BY id LIMIT 1)"
    with closing(sqlite3.connect(journal_of(decided))) as journal, journal:
        journal.execute(
            f"UPDATE changes SET new = '{{' WHERE place = ? AND journal_id = {first}", (place,)
        )
    done = decided.run("genreclf-undo")
    assert done.returncode == 1
    assert "1 tracks and 1 albums restored, 1 failed" in done.stderr
    assert f"{decided.files()[0]}: restored in part, the rest of its history" in done.stderr
    assert bool(our_tags(decided.files()[0])) == (place == "file")
    assert tags(decided)[1] == original_tags(decided)[1]


def test_what_is_journaled_is_in_the_file(decided: Beets) -> None:
    """Whoever writes it, in the version of ID3 that the user wants."""
    decided.settings["id3v23"] = True
    decided.settings["genreclf"] |= {
        "title_case": True,
        "genres": "append",
        "names": {"electronic": "One/Other"},
    }
    shutil.rmtree(decided.music)
    for number, kind in enumerate(("mp3", "aiff", "m4a", "ogg")):
        path = decided.add(f"{number}.{kind}", seconds=8, seed=number)
        media = MediaFile(path)
        media.genres = ["Hip-Hop/Rap", "Old"]
        media.save()
    before = {path.suffix: plain_tags(path) for path in decided.music.iterdir()}
    decided.import_music("--singletons")
    decided("genreclf", "singleton:true")
    decided("write", "-f", "singleton:true")
    done = decided.run("genreclf-undo", "singleton:true")
    assert "changed since" not in done.stderr
    for path in decided.files():
        if path.suffix != ".flac":
            assert not our_tags(path)
            assert "".join(plain_tags(path)["genre"]).replace("/", "") in (
                "".join(before[path.suffix]["genre"]).replace("/", "")
            )


def test_old_changes_can_be_forgotten(decided: Beets) -> None:
    heard = decided.field("genres")
    refused = decided.run("genreclf-undo", "--forget-older-than", "-1")
    assert (refused.returncode, "must be 0 or more" in refused.stderr) == (1, True)
    refused = decided.run("genreclf-undo", "--forget-older-than", "3", "--last")
    assert (refused.returncode, "either" in refused.stderr) == (1, True)
    for days in ("3", "9" * 400):
        done = decided.run("genreclf-undo", "--forget-older-than", days)
        assert (done.returncode, "0 changes forgotten" in done.stderr) == (0, True)
    with closing(sqlite3.connect(journal_of(decided))) as journal, journal:
        journal.execute("UPDATE changes SET time = time - 4 * 86400")
    done = decided.run("genreclf-undo", "--forget-older-than", "3")
    assert "5 changes forgotten; they can no longer be undone" in done.stderr
    assert "nothing has been changed yet" in decided.run("genreclf-undo", "--list").stderr
    decided.settings["genreclf"] |= {"genres": "append", "names": {heard[0]: "Another Name"}}
    decided("genreclf", "-f")
    assert decided.field("genres")[0] == "Another Name", "the first gave way"
    decided("genreclf-undo", "--last")
    assert decided.field("genres") == heard
    done = decided.run("genreclf-undo")
    assert done.returncode == 1
    assert "its changes were forgotten" in done.stderr
    assert decided.field("genres") == heard


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


def test_waiting_is_reported_after_an_import_and_while_a_command_waits(decided: Beets) -> None:
    program = (
        "import sys, pathlib\n"
        "from beetsplug.genreclf.storage.journal import Journal\n"
        "with Journal(pathlib.Path(sys.argv[1])).lock():\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    decided.settings["genreclf"]["auto"] = True
    new = str(decided.add("b.flac", seconds=2))
    for command in (["import", "-qA", new], ["genreclf", "-f", "title:1"]):
        holder = subprocess.Popen(
            [sys.executable, "-c", program, str(journal_of(decided))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        process = start(decided, *command)
        wait_until_locked(journal_of(decided).with_suffix(".queue"))
        time.sleep(5)
        holder.communicate("\n")
        _, said = process.communicate()
        assert process.returncode == 0, said
        message = "waiting for another command that is changing the library"
        assert said.count(f"{message} (process {holder.pid})") == 1
    assert Journal(journal_of(decided)).runs()
    assert mutagen.File(decided.files()[0])
