"""Files that other programs change, plant or remove while tags are written."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest
from mediafile import MediaFile, UnreadableFileError

from beetsplug.genreclf.storage.inplace import replacement, rewrite
from beetsplug.genreclf.storage.inplace.file_state import NotWritten
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_file import TagFile
from tests.beetsplug.conftest import JAZZ, tag
from tests.platforms import posix
from tests.sounds import make
from tests.tags import our_tags, plain_tags

pytestmark = pytest.mark.usefixtures("media_fields")


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
        tag(path, journal, JAZZ)
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
                tag(path, journal, JAZZ)
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
    file.set(JAZZ)
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
    file.set(JAZZ)
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
    file.set(JAZZ)
    path.unlink()
    with pytest.raises((OSError, UnreadableFileError)):
        file.save(RedoLog(journal), id3v23=False)
    assert not path.exists()
