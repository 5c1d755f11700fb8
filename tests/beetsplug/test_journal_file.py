"""The journal as a file: damaged, full, read-only, of other versions, and used by two at once."""

from __future__ import annotations

import errno
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from beetsplug.genreclf.storage.compaction import compact
from beetsplug.genreclf.storage.errors import JournalError, describe
from beetsplug.genreclf.storage.journal import Journal, revert
from tests.beetsplug.test_journal import run
from tests.faults import small_disk
from tests.platforms import DROPPED, permissions


def sql(path: Path, *statements: str) -> list[Any]:
    """Run SQL on a journal as another program would; return the rows of the last statement."""
    with closing(sqlite3.connect(path)) as database, database:
        return [database.execute(statement).fetchall() for statement in statements][-1]


DAMAGES = {
    "no JSON": "UPDATE changes SET new = '{\"genres\": [' WHERE id = 2",
    "JSON of another kind": "UPDATE changes SET old = '[1, 2]' WHERE id = 2",
    "bytes": "UPDATE changes SET new = x'ff00ff' WHERE id = 2",
    "a number for a text": "UPDATE changes SET new = 5 WHERE id = 2",
    "values of a wrong type": 'UPDATE changes SET new = \'{"genres": "jazz"}\' WHERE id = 2',
    "a genre that is a number": "UPDATE changes SET new = '{\"genres\": [1]}' WHERE id = 2",
    "a text that is none": 'UPDATE changes SET new = \'{"genres": ["\\udc80"]}\' WHERE id = 2',
    "a huge number": "UPDATE changes SET new = '{\"genre_confidence\": 1e999}' WHERE id = 2",
    "a field of another plugin": 'UPDATE changes SET new = \'{"title": "x"}\' WHERE id = 2',
    "a field without its decision": (
        'UPDATE changes SET new = \'{"genre_review": "kept", "title": "x"}\' WHERE id = 2'
    ),
    "a decision on a number": (
        'UPDATE changes SET new = \'{"mood_review": "accepted", "mood": 3}\' WHERE id = 2'
    ),
    "an unknown place": "UPDATE changes SET place = 'nowhere' WHERE id = 2",
    "a place of bytes": "UPDATE changes SET place = x'ff' WHERE id = 2",
    "a run that is none": "UPDATE changes SET run = 'x' WHERE id = 2",
    "deep nesting": "UPDATE changes SET new = '" + "[" * 100_000 + "' WHERE id = 2",
    "a tag without text": (
        'UPDATE changes SET place = \'file\', new = \'{"genres": {"key": "TCON"}}\' WHERE id = 2'
    ),
    "a tag in no encoding": (
        "UPDATE changes SET place = 'file', "
        'new = \'{"genres": {"text": ["a"], "key": "TCON", "encoding": 9}}\' WHERE id = 2'
    ),
    "no place at all": (
        "CREATE TABLE copy AS SELECT * FROM changes; DROP TABLE changes;"
        "ALTER TABLE copy RENAME TO changes; UPDATE changes SET place = NULL WHERE id = 2"
    ),
    "no values at all": (
        "CREATE TABLE copy AS SELECT * FROM changes; DROP TABLE changes;"
        "ALTER TABLE copy RENAME TO changes; UPDATE changes SET old = NULL WHERE id = 2"
    ),
}


def test_decisions_on_fields_of_the_user_are_valid(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "library.genre-journal.db", pytest.fail)
    decided = {"mood": "calm", "mood_review": "accepted", "genre_journal_id": "track"}
    journal.record(journal.begin("test"), "track", "database", "a.mp3", {}, decided, author="user")
    assert [change.new for change in journal.changes("track")] == [decided]
    journal.close()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_change_is_ignored_and_reported_once(tmp_path: Path, damage: str) -> None:
    reported: list[str] = []
    path = tmp_path / "library.genre-journal.db"
    journal = Journal(path, reported.append)
    run_id = journal.begin("test")
    for genre in ("jazz", "pop", "rock"):
        journal.record(run_id, "track", "database", "a.mp3", {}, {"genres": [genre]})
    journal.close()
    sql(path, *damage.split(";"))
    assert [change.new["genres"] for change in journal.changes("track")] == [["rock"], ["jazz"]]
    journal.changes("track")
    assert [run.id for run in journal.runs()] == [run_id]
    journal.objects_of_run(run_id)
    assert reported == [f"{path}: damaged rows ignored: 1; their changes cannot be undone"]
    journal.close()


@pytest.mark.parametrize("value", ["NULL", "'yesterday'", "1e18", "-5", "x'00'"])
def test_damaged_run_is_ignored(tmp_path: Path, value: str) -> None:
    reported: list[str] = []
    path = tmp_path / "library.genre-journal.db"
    journal = Journal(path, reported.append)
    for _ in range(2):
        journal.record(journal.begin("test"), "track", "database", "", {}, {"genres": ["a"]})
    journal.close()
    sql(
        path,
        "CREATE TABLE copy AS SELECT * FROM runs",
        "DROP TABLE runs",
        "ALTER TABLE copy RENAME TO runs",
        f"UPDATE runs SET started = {value} WHERE id = 1",
    )
    assert [run.id for run in journal.runs()] == [2]
    assert len(reported) == 1
    journal.close()


@pytest.mark.parametrize("version", [0, 1])
def test_journal_with_other_columns_is_refused(tmp_path: Path, version: int) -> None:
    path = tmp_path / "library.genre-journal.db"
    journal = Journal(path)
    journal.record(journal.begin("test"), "track", "database", "a.mp3", {}, {"genres": ["jazz"]})
    journal.close()
    sql(
        path,
        "ALTER TABLE changes RENAME COLUMN journal_id TO history",
        "DROP INDEX changes_by_journal_id",
        f"PRAGMA user_version = {version}",
    )
    for action in (lambda: journal.changes("track"), lambda: journal.objects_of_run(1)):
        with pytest.raises(JournalError, match=r"journal_id; no changes made: .* move it away"):
            action()
    assert sql(path, "SELECT history FROM changes") == [("track",)]
    journal.close()


@pytest.mark.parametrize("version", [2, 99, -1])
def test_journal_of_a_later_version_is_refused(tmp_path: Path, version: int) -> None:
    path = tmp_path / "library.genre-journal.db"
    journal = Journal(path)
    journal.begin("test")
    journal.close()
    sql(path, f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    for action in (journal.runs, lambda: journal.changes("a"), lambda: journal.begin("test")):
        with pytest.raises(JournalError, match=r"newer version .*: update the plugin"):
            action()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sqlite3.OperationalError("database or disk is full"), "is full; .* free some space"),
        (OSError(errno.ENOSPC, "No space left on device"), "is full; .* free some space"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "make .* writable"),
        (sqlite3.OperationalError("unable to open database file"), "make .* writable"),
        (PermissionError(errno.EACCES, "Permission denied"), "make .* writable"),
        (sqlite3.DatabaseError("database disk image is malformed"), "move it away"),
        (sqlite3.DatabaseError("file is not a database"), "move it away"),
        (sqlite3.OperationalError("no such column: run"), "move it away"),
        (sqlite3.OperationalError("database is locked"), "another program uses it"),
        (sqlite3.OperationalError("disk I/O error"), "check its disk"),
    ],
)
def test_error_message_matches_the_problem(tmp_path: Path, error: Exception, expected: str) -> None:
    message = describe(tmp_path / "journal.db", error)
    assert re.search(expected, message), message
    assert message.count("move it away") == ("move it away" in expected)
    assert message.startswith(f"{tmp_path / 'journal.db'}: ")


def fill(journal: Journal) -> None:
    for _ in range(200):
        journal.begin("test" * 200)


def test_full_disk_is_reported(tmp_path: Path) -> None:
    """Whatever SQLite says of it, from the first change on."""
    with small_disk(tmp_path / "small", "512k") as small:
        for begun in (True, False):
            journal = Journal(small / f"{begun}.genre-journal.db")
            if begun:
                journal.begin("test")
                journal.close()
            with (small / "filler").open("wb", buffering=0) as filler, suppress(OSError):
                while True:
                    filler.write(b"x" * 512)
            with pytest.raises(JournalError, match=rf"the disk of {small} is full"):
                fill(journal)
            journal.close()
            (small / "filler").unlink()
            if begun:
                assert journal.begin("test") > 1, "the journal is whole"
                journal.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a wait be reported the first time that the lock is tried again, after 0.1 s."""
    monkeypatch.setattr("beetsplug.genreclf.storage.lock._POLL_INTERVAL", 0.1)
    monkeypatch.setattr("beetsplug.genreclf.storage.lock._REPORT_AFTER", 0.09)


@pytest.mark.usefixtures("impatient")
def test_waiting_is_reported_once_with_the_process_that_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "library.genre-journal.db"
    holder = subprocess.Popen(
        [
            sys.executable, "-c",
            "import sys, pathlib\n"
            "from beetsplug.genreclf.storage.journal import Journal\n"
            "with Journal(pathlib.Path(sys.argv[1])).lock():\n"
            "    print('held', flush=True)\n"
            "    sys.stdin.readline()\n",
            str(path),
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout
    assert holder.stdin
    assert holder.stdout.readline() == "held\n"
    reported: list[str] = []

    def report(message: str) -> None:
        reported.append(message)
        assert holder.stdin
        holder.stdin.write("\n")
        holder.stdin.flush()

    began = time.monotonic()
    with Journal(path, report).lock():
        assert holder.wait() == 0
    assert time.monotonic() - began > 0.09
    assert reported == [
        f"waiting for another command that is changing the library (process {holder.pid})"
    ]
    assert path.with_suffix(".pid").read_text().strip() == "", "no process holds it now"
    holder.stdin.close()
    holder.stdout.close()


@pytest.mark.usefixtures("impatient")
def test_short_wait_and_wait_for_another_thread_are_not_reported(tmp_path: Path) -> None:
    path = tmp_path / "library.genre-journal.db"
    reported: list[str] = []
    held = threading.Event()

    def hold() -> None:
        with Journal(path, reported.append).lock():
            held.set()
            time.sleep(0.4)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with Journal(path, reported.append).lock():
        pass
    thread.join()
    assert reported == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("content", ["", "x", "4194999 {host}", "99999999999999999999 {host}"])
def test_process_that_has_ended_is_not_reported(tmp_path: Path, content: str) -> None:
    path = tmp_path / "library.genre-journal.db"
    reported: list[str] = []

    def report(message: str) -> None:
        reported.append(message)
        lock.close()

    with closing(sqlite3.connect(path.with_suffix(".lock"), check_same_thread=False)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        path.with_suffix(".pid").write_text(content.format(host=socket.gethostname()))
        with Journal(path, report).lock():
            pass
    assert reported == ["waiting for another command that is changing the library"]


def test_compaction_keeps_genres_set_by_the_plugin(tmp_path: Path) -> None:
    path = tmp_path / "library.genre-journal.db"
    journal = Journal(path)
    values: dict[str, Any] = {"genres": ["Rock"]}
    for genre in ("jazz", "pop"):
        run(journal, values, "append", genre)
    sql(path, "UPDATE changes SET time = 1000")
    run(journal, values, "append", "metal")
    assert compact(journal, 2000.0) == 2
    assert compact(journal, 2000.0) == 0
    newest, base = journal.changes("track")
    assert (base.run, base.old, base.new) == (0, {"genres": ["Rock"]}, {"genres": ["Rock", "pop"]})
    assert [run.id for run in journal.runs()] == [3]
    assert revert(values, journal.changes("track"))[0]["genres"] == ["Rock"]
    assert revert(values, [newest])[0]["genres"] == ["Rock", "pop"]
    assert compact(journal, time.time() + 9) == 1
    assert revert(values, journal.changes("track"))[0]["genres"] == ["Rock"]
    journal.close()


def test_compaction_deletes_changes_without_genres(tmp_path: Path) -> None:
    path = tmp_path / "library.genre-journal.db"
    journal = Journal(path)
    id_ = journal.begin("test")
    journal.record(id_, "kept", "database", "a", {}, {"predicted_genre": "jazz"})
    journal.record(id_, "undone", "database", "b", {}, {"genres": ["jazz"]})
    journal.record(id_, "broken", "database", "c", {}, {"genres": ["jazz"]})
    journal.mark_undone(journal.changes("undone"))
    sql(path, "UPDATE changes SET new = '{' WHERE journal_id = 'broken'")
    assert compact(journal, time.time() + 9) == 3
    assert sql(path, "SELECT COUNT(*) FROM changes") == [(0,)]
    assert (journal.runs(), journal.lost("a", None)) == ([], [])
    journal.close()


@permissions
@pytest.mark.parametrize("left", [True, False])
def test_read_only_folder_can_be_read(tmp_path: Path, left: bool) -> None:
    """With or without the files that SQLite keeps beside it while it is open."""
    folder = tmp_path / "library"
    folder.mkdir()
    path = folder / "library.genre-journal.db"
    journal = Journal(path)
    journal.record(journal.begin("import"), "track", "database", "", {}, {"genres": ["jazz"]})
    if not left:
        journal.close()
    folder.chmod(0o555)
    program = (
        "import sys, pathlib\n"
        "from beetsplug.genreclf.storage.errors import JournalError\n"
        "from beetsplug.genreclf.storage.journal import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "print(journal.runs()[0].command, journal.changes('track')[0].new)\n"
        "assert not journal.is_placement_pending(b'a', 1)\n"
        "try:\n"
        "    journal.begin('import')\n"
        "except JournalError as exc:\n"
        "    print(exc)\n"
    )
    done = subprocess.run(
        [*DROPPED, sys.executable, "-c", program, str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    folder.chmod(0o755)
    journal.close()
    first, second = done.stdout.splitlines()
    assert first == "import {'genres': ['jazz']}", done.stderr
    assert "make the file and its folder writable" in second
