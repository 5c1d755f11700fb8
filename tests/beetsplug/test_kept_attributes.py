"""Writing tags keeps the links, mode, attributes, ACLs, owner and group of a file."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from beetsplug.genreclf.storage.inplace import rewrite
from beetsplug.genreclf.storage.inplace.file_state import NotWritten
from beetsplug.genreclf.storage.journal import Journal
from tests.beetsplug.conftest import JAZZ, tag
from tests.sounds import make
from tests.tags import our_tags

pytestmark = pytest.mark.usefixtures("media_fields")
ROOT = Path(__file__).parents[2]
# Of the owner, user 1234, the group, the mask and others, as Linux keeps it.
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHi", *entry)
    for entry in [(1, 6, -1), (2, 6, 1234), (4, 4, -1), (16, 6, -1), (32, 0, -1)]
)
root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes other users"
)


def test_hard_links_are_kept(tmp_path: Path, journal: Journal) -> None:
    path = make(tmp_path / "a.mp3")
    path.write_bytes(path.read_bytes() * 20)
    assert path.stat().st_size > 1 << 20
    other = tmp_path / "b.mp3"
    other.hardlink_to(path)
    tag(path, journal, JAZZ)
    assert our_tags(other)["predicted_genre"] == "jazz"
    assert path.stat().st_ino == other.stat().st_ino


def test_hard_linked_file_that_needs_a_copy_is_refused(
    by_copy: None, tmp_path: Path, journal: Journal
) -> None:
    path, other = make(tmp_path / "a.mp3"), tmp_path / "b.mp3"
    other.hardlink_to(path)
    before = path.read_bytes()
    with pytest.raises(NotWritten, match=r"it has 2 names \(hard links\)"):
        tag(path, journal, JAZZ)
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
    tag(path, journal, JAZZ)
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
        tag(path, journal, JAZZ)
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
    tag(path, journal, JAZZ)
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
