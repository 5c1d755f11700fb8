"""Tags are written so that nothing damages a file, and nothing of it is lost."""

from __future__ import annotations

import hashlib
import json
import os
import random
import secrets
import shutil
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mediafile import MediaFile, UnreadableFileError

from beetsplug.genreclf.fields import MEDIA_FIELDS
from beetsplug.genreclf.storage.errors import JournalError
from beetsplug.genreclf.storage.inplace import redo_log, replacement, rewrite
from beetsplug.genreclf.storage.inplace.file_state import NotWritten
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_file import TagFile, reason
from tests.conftest import Beets
from tests.faults import fill, small_disk
from tests.platforms import linux, posix
from tests.sounds import CONTAINERS, make
from tests.tags import audio_bytes, our_tags, plain_tags

ROOT = Path(__file__).parents[2]
FIRST = {"genres": ["jazz"], "predicted_genre": "jazz", "predicted_styles": ["folk", "soul"]}
SECOND = {"genres": ["blues"], "predicted_genre": "blues", "genre_confidence": 0.5}
NONE: dict[str, Any] = dict.fromkeys((*FIRST, *SECOND))
# Of the owner, user 1234, the group, the mask and others, as Linux keeps it.
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHi", *entry)
    for entry in [(1, 6, -1), (2, 6, 1234), (4, 4, -1), (16, 6, -1), (32, 0, -1)]
)
root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes other users"
)


@pytest.fixture(autouse=True, scope="module")
def media_fields() -> Iterator[None]:
    """Let MediaFile know the plugin's tags, as beets does when it loads the plugin."""
    added = [name for name in MEDIA_FIELDS if name not in MediaFile.fields()]
    for name in added:
        MediaFile.add_field(name, MEDIA_FIELDS[name])
    yield
    for name in added:
        delattr(MediaFile, name)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.for_library(tmp_path / "library.db")
    yield journal
    journal.close()


@pytest.fixture
def by_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no change be small enough to be made in place."""
    monkeypatch.setattr(rewrite, "MAX_IN_PLACE", 0)
    monkeypatch.setattr(rewrite, "MAX_IN_PLACE_IF_LOSSY", 0)


def tag(path: Path, journal: Journal, values: dict[str, Any]) -> None:
    file = TagFile(path)
    file.set(values)
    file.save(RedoLog(journal), id3v23=False)


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
    for values in (FIRST, SECOND, NONE):
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
    tag(path, journal, FIRST)
    before = path.stat()
    tag(path, journal, FIRST)
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize(
    ("kind", "limit"), [("flac", 1 << 20), ("wav", 1 << 20), ("mp3", 0)], ids=str
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
@pytest.mark.parametrize("values", [FIRST, SECOND, NONE], ids=["first", "second", "none"])
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
    tag(path, journal, FIRST)
    old = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(RedoLog, "_forget", lambda *_: None)
        tag(path, journal, SECOND)
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
    tag(path, journal, FIRST)
    with monkeypatch.context() as patched:
        patched.setattr(RedoLog, "_forget", lambda *_: None)
        tag(path, journal, SECOND)
    before = path.read_bytes()
    with pytest.raises(NotWritten, match="must be finished first"):
        tag(path, journal, FIRST)
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
            tag(path, journal, FIRST)
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
        tag(path, journal, FIRST)
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


def test_hard_links_are_kept(tmp_path: Path, journal: Journal) -> None:
    path = make(tmp_path / "a.mp3")
    path.write_bytes(path.read_bytes() * 20)
    assert path.stat().st_size > 1 << 20
    other = tmp_path / "b.mp3"
    other.hardlink_to(path)
    tag(path, journal, FIRST)
    assert our_tags(other)["predicted_genre"] == "jazz"
    assert path.stat().st_ino == other.stat().st_ino


def test_hard_linked_file_that_needs_a_copy_is_refused(
    by_copy: None, tmp_path: Path, journal: Journal
) -> None:
    path, other = make(tmp_path / "a.mp3"), tmp_path / "b.mp3"
    other.hardlink_to(path)
    before = path.read_bytes()
    with pytest.raises(NotWritten, match=r"it has 2 names \(hard links\)"):
        tag(path, journal, FIRST)
    assert path.read_bytes() == before
    assert path.stat().st_ino == other.stat().st_ino


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes")
@pytest.mark.parametrize("limit", [1 << 20, 0], ids=["in place", "by copy"])
def test_mode_and_attributes_are_kept(
    limit: int, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewrite, "MAX_IN_PLACE", limit)
    path = make(tmp_path / "a.mp3")
    path.chmod(0o660)
    try:
        os.setxattr(path, "user.mood", b"calm")
        os.setxattr(path, "system.posix_acl_access", ACL)
    except OSError as exc:
        pytest.skip(f"the file system has no attributes: {exc}")
    before = path.stat()
    tag(path, journal, FIRST)
    assert our_tags(path)
    assert path.stat().st_mode == before.st_mode
    assert os.getxattr(path, "user.mood") == b"calm"
    assert os.getxattr(path, "system.posix_acl_access") == ACL


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes")
@pytest.mark.parametrize("name", ["user.mood", "system.posix_acl_access"])
def test_copy_is_refused_if_an_attribute_cannot_be_kept(
    name: str, by_copy: None, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "a.mp3")
    os.setxattr(path, name, ACL)

    def refused(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refused)
    before = path.read_bytes()
    with pytest.raises(NotWritten, match="cannot be kept: Operation not supported"):
        tag(path, journal, FIRST)
    assert path.read_bytes() == before
    assert [*tmp_path.glob(".genreclf*")] == []


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes")
def test_copy_has_no_acl_of_its_folder(by_copy: None, tmp_path: Path, journal: Journal) -> None:
    path = make(tmp_path / "music" / "a.mp3")
    try:
        os.setxattr(path.parent, "system.posix_acl_default", ACL)
    except OSError as exc:
        pytest.skip(f"the file system has no ACLs: {exc}")
    before = path.stat()
    tag(path, journal, FIRST)
    assert path.stat().st_ino != before.st_ino
    assert path.stat().st_mode == before.st_mode
    assert os.listxattr(path) == []


OTHERS_FILE = """
import os
import shutil
import sys
import tempfile
from pathlib import Path
from mediafile import MediaFile
from beetsplug.genreclf.storage.inplace import rewrite
from beetsplug.genreclf.fields import MEDIA_FIELDS
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.tag_file import TagFile, reason
def tag(path, journal):
    file = TagFile(path)
    file.set({"predicted_genre": "jazz"})
    file.save(RedoLog(Journal(journal)), id3v23=False)
for name, field in MEDIA_FIELDS.items():
    MediaFile.add_field(name, field)
path, journal = Path(sys.argv[1]), Path(sys.argv[2])
rewrite.MAX_IN_PLACE = rewrite.MAX_IN_PLACE_IF_LOSSY = int(sys.argv[3])
with tempfile.TemporaryDirectory() as folder:  # import all modules: others may not read them
    tag(Path(shutil.copy(path, folder)), Path(folder, "journal.db"))
user, *groups = map(int, sys.argv[4:])
os.setgroups(groups)
os.setgid(user)
os.setuid(user)
try:
    tag(path, journal)
except OSError as exc:
    print(reason(exc), end="")
"""
OWNER, USER, GROUP = 61_001, 61_002, 62_000


@pytest.fixture
def shared() -> Iterator[Path]:
    """Give a folder that two users of a group share, one's file there, and the other's home."""
    with tempfile.TemporaryDirectory() as folder:
        music, home = Path(folder, "music"), Path(folder, "home")
        Path(folder).chmod(0o755)
        make(music / "a.mp3")
        home.mkdir()
        os.chown(home, USER, USER)
        os.chown(music, OWNER, GROUP)
        music.chmod(0o770)
        os.chown(music / "a.mp3", OWNER, GROUP)
        (music / "a.mp3").chmod(0o660)
        yield Path(folder)


def as_user(folder: Path, limit: int, groups: list[int]) -> str:
    """Tag the shared file as the user who does not own it; return why that failed."""
    path, journal = folder / "music" / "a.mp3", folder / "home" / "journal.db"
    arguments = map(str, [path, journal, limit, USER, *groups])
    done = subprocess.run(
        [sys.executable, "-c", OTHERS_FILE, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@root
@pytest.mark.parametrize("limit", [1 << 24, 0], ids=["in place", "by copy"])
def test_group_of_shared_library_keeps_its_access(limit: int, shared: Path) -> None:
    path = shared / "music" / "a.mp3"
    before = path.stat()
    assert as_user(shared, limit, [GROUP]) == ""
    assert our_tags(path)["predicted_genre"] == "jazz"
    after = path.stat()
    assert (after.st_gid, stat.S_IMODE(after.st_mode)) == (GROUP, 0o660)
    assert after.st_uid == (OWNER if limit else USER)
    assert (after.st_ino == before.st_ino) == bool(limit)


@root
def test_file_whose_group_cannot_be_kept_is_refused(shared: Path) -> None:
    path = shared / "music" / "a.mp3"
    path.chmod(0o666)
    path.parent.chmod(0o777)
    before = path.read_bytes()
    assert as_user(shared, 0, []) == f"its group {GROUP} cannot be kept"
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["a.mp3"]
    assert as_user(shared, 1 << 24, []) == "", "in place, nothing is lost"
    assert (path.stat().st_uid, path.stat().st_gid) == (OWNER, GROUP)


@root
def test_read_only_file_is_refused(shared: Path) -> None:
    path = shared / "music" / "a.mp3"
    path.chmod(0o640)
    before = path.read_bytes()
    for limit in (1 << 24, 0):
        assert as_user(shared, limit, [GROUP]) == "permission denied"
    assert path.read_bytes() == before


@posix
def test_planted_link_is_not_followed(
    by_copy: None, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even if the name of the copy was guessed."""
    path = make(tmp_path / "music" / "a.mp3")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    planted = path.with_name(".genreclf-guessed")
    planted.symlink_to(victim)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        tag(path, journal, FIRST)
    assert RedoLog(journal).recover() == []
    assert planted.is_symlink()
    assert victim.read_text() == "precious"
    assert path.read_bytes() == before


def test_cleanup_removes_own_copies_only(
    by_copy: None, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "music" / "a.mp3")
    digest = hashlib.blake2b(b"a.mp3", digest_size=8).hexdigest()
    foreign = [path.with_name(name) for name in (".genreclf-x-999999", f".genreclf-{digest}-1")]
    for file in foreign:
        file.write_text("not yours")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(replacement, "_copy_metadata", killed)
        patched.setattr(replacement, "remove_copy", lambda *_: None)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                tag(path, journal, FIRST)
    taken, mine = (
        Path(os.fsdecode(name)) for (name,) in journal.read("SELECT path FROM copies ORDER BY id")
    )
    assert mine.exists()
    taken.rename(tmp_path / "kept")  # or its inode might be that of the next file
    taken.write_text("a file of another program")
    assert RedoLog(journal).recover() == []
    assert not mine.exists()
    assert taken.exists()
    assert all(file.read_text() == "not yours" for file in foreign)
    assert not journal.read("SELECT id FROM copies")


def retitle(path: Path, title: str) -> None:
    media = MediaFile(path)
    media.title = title
    media.save()


@pytest.mark.parametrize(
    ("limit", "when"),
    [
        (1 << 20, "after reading"),
        (1 << 20, "after the draft"),
        (0, "after reading"),
        (0, "after the draft"),
        (0, "after the copy"),
    ],
)
@pytest.mark.parametrize("how", ["written", "times restored", "replaced"])
def test_write_of_another_program_is_not_lost(
    how: str,
    limit: int,
    when: str,
    tmp_path: Path,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rewrite, "MAX_IN_PLACE", limit)
    path = make(tmp_path / "a.flac")
    retitle(path, "old title")
    pending = True

    def interfere() -> None:
        nonlocal pending
        if not pending:
            return
        pending = False
        before = path.stat()
        if how == "replaced":
            shutil.copy(path, tmp_path / "b.flac")
            retitle(tmp_path / "b.flac", "new title")
            (tmp_path / "b.flac").replace(path)
        else:
            retitle(path, "new title")
        if how == "times restored":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    file = TagFile(path)
    file.set(FIRST)
    if when == "after reading":
        interfere()
    elif when == "after the draft":
        write = Journal.write

        def written(self: Journal, *statements: Any) -> int:
            id_ = write(self, *statements)
            interfere()
            return id_

        monkeypatch.setattr(Journal, "write", written)
    else:
        copy_metadata = replacement._copy_metadata

        def copied(*arguments: Any) -> None:
            copy_metadata(*arguments)
            interfere()

        monkeypatch.setattr(replacement, "_copy_metadata", copied)
    file.save(RedoLog(journal), id3v23=False)
    assert not pending
    assert our_tags(path)["predicted_genre"] == "jazz"
    assert plain_tags(path)["title"] == ["new title"]
    assert not [*tmp_path.glob(".genreclf*")]
    assert not journal.read("SELECT id FROM redo_log UNION SELECT id FROM copies")


def test_conflicting_change_of_another_program_is_kept(tmp_path: Path, journal: Journal) -> None:
    path = make(tmp_path / "a.flac")
    file = TagFile(path)
    file.set(FIRST)
    media = MediaFile(path)
    media.genres = ["Bebop"]
    media.save()
    before = path.read_bytes()
    with pytest.raises(NotWritten, match="another program has changed the same tags meanwhile"):
        file.save(RedoLog(journal), id3v23=False)
    assert path.read_bytes() == before


def test_removed_file_is_reported(tmp_path: Path, journal: Journal) -> None:
    path = make(tmp_path / "a.flac")
    file = TagFile(path)
    file.set(FIRST)
    path.unlink()
    with pytest.raises((OSError, UnreadableFileError)):
        file.save(RedoLog(journal), id3v23=False)
    assert not path.exists()


def test_journal_of_library_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its notes would not outlive the process, so every change is made by a copy."""
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path / "a.flac")
    inode = path.stat().st_ino
    journal = Journal.for_library(":memory:")
    tag(path, journal, FIRST)
    journal.close()
    assert our_tags(path)["predicted_genre"] == "jazz"
    assert path.stat().st_ino != inode
    assert [file.name for file in tmp_path.iterdir()] == ["a.flac"]


def test_record_is_synced_before_the_write(tmp_path: Path, journal: Journal) -> None:
    tag(make(tmp_path / "a.flac"), journal, FIRST)
    assert journal.read("PRAGMA synchronous") == [(2,)]
    with closing(sqlite3.connect(journal.path)) as database:
        assert database.execute("SELECT COUNT(*) FROM redo_log").fetchone() == (0,)
