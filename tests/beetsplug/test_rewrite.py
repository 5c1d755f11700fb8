"""Tags are written so that a crash, a power failure or a full disk damages no file."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mediafile import UnreadableFileError

from beetsplug.genreclf.storage.errors import JournalError
from beetsplug.genreclf.storage.inplace import redo_log, rewrite
from beetsplug.genreclf.storage.inplace.file_state import NotWritten
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_file import TagFile, reason
from tests.beetsplug.conftest import JAZZ, tag
from tests.conftest import Beets
from tests.faults import fill, small_disk
from tests.platforms import linux, posix
from tests.sounds import CONTAINERS, make
from tests.tags import audio_bytes, our_tags
from tests.variants import variant

pytestmark = pytest.mark.usefixtures("media_fields")
ROOT = Path(__file__).parents[2]
BLUES = {"genres": ["blues"], "predicted_genre": "blues", "genre_confidence": 0.5}
NONE: dict[str, Any] = dict.fromkeys((*JAZZ, *BLUES))


def marker(journal: Journal) -> Path:
    return journal.path.with_suffix(".unfinished")


@pytest.mark.parametrize("limit", [1 << 20, 0], ids=["in place", "by copy"])
@pytest.mark.parametrize("kind", CONTAINERS)
def test_result_is_what_mutagen_writes(
    kind: str, limit: int, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewrite, "MAX_IN_PLACE", limit)
    path = make(tmp_path / f"a.{kind}")
    other = tmp_path / f"b.{kind}"
    for values in (JAZZ, BLUES, NONE):
        os.utime(path, (0, 0))  # or each save would wait until a change is visible in its time
        shutil.copyfile(path, other)
        expected = TagFile(other)
        expected.set(values)
        with other.open("rb+") as file:
            expected._save(file, id3v23=False)
        before, inode = path.read_bytes(), path.stat().st_ino
        tag(path, journal, values)
        assert path.read_bytes() == other.read_bytes() != before
        assert (path.stat().st_ino == inode) == bool(limit)
    assert not [*tmp_path.glob(".genreclf*")]
    assert not journal.read("SELECT id FROM redo_log UNION SELECT id FROM copies")


def test_unchanged_tags_are_not_written(tmp_path: Path, journal: Journal) -> None:
    path = make(tmp_path / "a.flac")
    tag(path, journal, JAZZ)
    before = path.stat()
    tag(path, journal, JAZZ)
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        pytest.param("flac", 1 << 20, marks=variant),
        ("wav", 1 << 20),
        pytest.param("mp3", 0, marks=variant),
    ],
    ids=str,
)
@linux
def test_kill_at_each_step_leaves_old_or_new_file(kind: str, limit: int, beets: Beets) -> None:
    """FLAC has room for the tags, WAV grows, MP3 is replaced by a copy."""
    beets.settings["genreclf"]["auto"] = False
    beets.add(f"a.{kind}")
    beets.import_music()
    (path,) = beets.files()
    old = path.read_bytes()
    audio = audio_bytes(path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.kills", str(beets.root), str(path), str(limit)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    new = path.read_bytes()
    assert our_tags(path)["predicted_genre"] == "jazz"
    assert audio_bytes(path) == audio
    digests = [hashlib.sha256(content).hexdigest() for content in (old, new)]
    assert len(reports) > 5
    assert {report["digest"] for report in reports} == set(digests)
    for report in reports:
        assert report["digest"] in digests, report
        assert report["folder"] == [path.name], report
        assert not report["marked"], report
        assert "genreclf" not in report["output"], report
        assert ("jazz" in report["output"]) <= (report["digest"] == digests[1]), report


@pytest.mark.parametrize("kind", ["flac", "wav", "mp3", "m4a", "wv", "ogg"])
@pytest.mark.parametrize("values", [JAZZ, BLUES, NONE], ids=["jazz", "blues", "none"])
def test_power_cut_is_recovered(
    kind: str,
    values: dict[str, Any],
    tmp_path: Path,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Any of the sectors that change may have reached the disk, and any part of a longer file."""
    path = make(tmp_path / f"a.{kind}")
    tag(path, journal, {"predicted_genre": "a genre of a longer name"})
    old = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(RedoLog, "_forget", lambda *_: None)
        tag(path, journal, values)
    new = path.read_bytes()
    rows = journal.read("SELECT * FROM redo_log")
    rng = random.Random(0)
    for _ in range(20):
        size = rng.choice([len(old), len(new), rng.randint(*sorted((len(old), len(new))))])
        torn = bytearray(old.ljust(len(new), b"\0"))
        for start in range(0, len(new), 512):
            if rng.random() < 0.5:
                torn[start : start + 512] = new[start : start + 512]
        torn[len(new) :] = old[len(new) :]
        path.write_bytes(torn[:size])
        journal.write(("INSERT OR REPLACE INTO redo_log VALUES (?, ?, ?, ?, ?, ?, ?)", rows))
        assert RedoLog(journal).recover() == []
        assert path.read_bytes() == new


def interrupted(path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Save tags as if the process had been killed after half of it; return the file before."""
    tag(path, journal, JAZZ)
    old = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(RedoLog, "_forget", lambda *_: None)
        tag(path, journal, BLUES)
    new = path.read_bytes()
    middle = next(i for i, both in enumerate(zip(old, new, strict=True)) if len({*both}) > 1) + 3
    path.write_bytes(new[:middle] + old[middle:])
    return old


def test_record_of_replaced_file_is_dropped_and_reported(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "a.flac")
    other = make(tmp_path / "b.flac", seed=1)
    interrupted(path, journal, monkeypatch)
    content = other.read_bytes()
    other.replace(path)
    (message,) = RedoLog(journal).recover()
    assert message.startswith(f"{path}: ")
    assert message.endswith("given up: the file has been replaced since")
    assert path.read_bytes() == content
    assert not journal.read("SELECT id FROM redo_log")
    assert not marker(journal).exists()


@pytest.mark.parametrize(
    "damage", ["other size", "other bytes", "gone", "link", "folder", "other record", "no record"]
)
@posix
def test_mismatching_record_is_dropped_and_reported(
    damage: str, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "music" / "a.flac")
    old = interrupted(path, journal, monkeypatch)
    if damage == "other size":
        path.write_bytes(old + b"x")
    elif damage == "other bytes":
        path.write_bytes(bytes(len(old)))
    elif damage == "gone":
        path.unlink()
    elif damage == "link":
        path.rename(tmp_path / "target")
        path.symlink_to(tmp_path / "target")
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        other = b"x" * 20 if damage == "other record" else "text"
        journal.write(("UPDATE redo_log SET changes = ?", [(other,)]))
    before = path.read_bytes() if path.is_file() else b""
    (message,) = RedoLog(journal).recover()
    assert message.startswith(f"{path}: an interrupted change of its tags was given up: ")
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert RedoLog(journal).recover() == []
    assert not marker(journal).exists()


def test_failed_recovery_is_reported_and_keeps_the_record(
    beets: Beets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is not mounted, for one; other commands work as ever."""
    beets.settings["genreclf"]["auto"] = False
    beets.add("a.flac")
    beets.import_music()
    (path,) = beets.files()
    journal = Journal.for_library(beets.root / "library.db")
    interrupted(path, journal, monkeypatch)
    journal.close()
    away = beets.library.rename(beets.root / "away")
    for _ in range(2):
        done = beets.run("ls", "-f", "$title")
        assert (done.returncode, done.stdout) == (0, "a\n")
        (line,) = done.stderr.splitlines()
        assert line == (
            f"genreclf: {path}: an interrupted change of its tags cannot be finished yet: "
            "No such file or directory"
        )
        assert marker(journal).exists()
    away.rename(beets.library)
    with closing(sqlite3.connect(beets.root / "library.db")) as library, library:
        library.execute("UPDATE items SET mtime = 0")  # beets compares seconds: the test is faster
    done = beets.run("update")
    assert done.stderr == ""
    assert "blues" in done.stdout
    assert our_tags(path)["predicted_genre"] == "blues"
    assert not marker(journal).exists()


def test_damaged_journal_does_not_break_other_commands(beets: Beets) -> None:
    beets.settings["genreclf"]["auto"] = False
    beets.add("a.flac")
    beets.import_music()
    (beets.root / "library.genre-journal.db").write_bytes(b"no database" * 100)
    (beets.root / "library.genre-journal.unfinished").touch()
    done = beets.run("ls", "-f", "$title")
    assert (done.returncode, done.stdout) == (0, "a\n")
    assert done.stderr.count("genreclf: interrupted changes of files cannot be finished: ") == 1


def test_marker_is_removed_after_a_command(beets: Beets) -> None:
    """Later commands need not look into the journal."""
    beets.add("a.flac")
    beets.import_music()
    assert our_tags(beets.files()[0])
    assert not (beets.root / "library.genre-journal.unfinished").exists()


def test_file_is_refused_while_an_earlier_change_is_unfinished(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "a.wav")
    tag(path, journal, JAZZ)
    with monkeypatch.context() as patched:
        patched.setattr(RedoLog, "_forget", lambda *_: None)
        tag(path, journal, BLUES)
    before = path.read_bytes()
    with pytest.raises(NotWritten, match="must be finished first"):
        tag(path, journal, JAZZ)
    assert path.read_bytes() == before


@pytest.mark.parametrize("step", ["journal", "marker"])
def test_file_is_unchanged_if_recording_fails(
    step: str, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "a.flac")
    before = path.read_bytes()
    if step == "journal":
        journal.path.write_bytes(b"no database" * 100)
    else:
        marker(journal).mkdir()
        marker(journal).rmdir()
        marker(journal).symlink_to(tmp_path / "missing" / "folder")
    for limit in (1 << 20, 0):
        monkeypatch.setattr(rewrite, "MAX_IN_PLACE", limit)
        with pytest.raises(JournalError):
            tag(path, journal, JAZZ)
        assert path.read_bytes() == before
        assert not [*tmp_path.glob(".genreclf*")]


@pytest.mark.parametrize("call", [1, 2, 3])
def test_failed_write_is_rolled_back(
    call: int, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "a.wav")
    before = path.read_bytes()
    write, calls = redo_log._write, 0

    def failing(file: Any, offset: int, content: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            write(file, offset, content[: len(content) // 2])
            raise OSError(5, "Input/output error")
        write(file, offset, content)

    monkeypatch.setattr(redo_log, "_write", failing)
    try:
        tag(path, journal, JAZZ)
    except OSError:
        assert path.read_bytes() == before
    else:
        assert calls < call
    assert RedoLog(journal).recover() == []


@posix
@pytest.mark.parametrize("kind", ["wav", "wv", "m4a", "mp3"])
def test_full_disk_leaves_the_old_file(
    kind: str, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets = list[int]()
    write = redo_log._write

    def writing(file: Any, offset: int, content: bytes) -> None:
        offsets.append(offset)
        write(file, offset, content)

    with monkeypatch.context() as patched, small_disk(tmp_path / "small") as small:
        path = make(small / f"a.{kind}")
        before = path.read_bytes()
        fill(small)
        patched.setattr(redo_log, "_write", writing)
        with pytest.raises((OSError, UnreadableFileError)) as raised:
            tag(path, journal, {"predicted_genre": "long" * 3000})
        assert reason(raised.value) == "no space left on device"
        assert path.read_bytes() == before
        assert [*offsets][:1] == [len(before)] or kind == "mp3", "what is old comes last"
        assert len([*small.iterdir()]) == 2
        assert not journal.read("SELECT id FROM redo_log UNION SELECT id FROM copies")


def test_journal_of_library_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its notes would not outlive the process, so every change is made by a copy."""
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path / "a.flac")
    inode = path.stat().st_ino
    journal = Journal.for_library(":memory:")
    tag(path, journal, JAZZ)
    journal.close()
    assert our_tags(path)["predicted_genre"] == "jazz"
    assert path.stat().st_ino != inode
    assert [file.name for file in tmp_path.iterdir()] == ["a.flac"]


def test_record_is_synced_before_the_write(tmp_path: Path, journal: Journal) -> None:
    tag(make(tmp_path / "a.flac"), journal, JAZZ)
    assert journal.read("PRAGMA synchronous") == [(2,)]
    with closing(sqlite3.connect(journal.path)) as database:
        assert database.execute("SELECT COUNT(*) FROM redo_log").fetchone() == (0,)
