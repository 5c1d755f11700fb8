from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from genremodel.output_files import OutputError, OutputFile, replace_atomically
from tests.platforms import posix


def note(file: Path, suffix: str = "") -> OutputFile:
    return OutputFile(file, "a note", lambda beginning: beginning.startswith(b"note:"), suffix)


def others(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_new_file_and_file_of_the_same_kind_are_written(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    for text in (b"note: 1", b"note: 2"):
        note(file).check()
        note(file).write(text)
        assert file.read_bytes() == text
    assert others(tmp_path) == ["a.txt"]


@posix
def test_permissions_of_new_and_replaced_files(tmp_path: Path) -> None:
    file, usual = tmp_path / "a.txt", tmp_path / "usual"
    usual.touch()
    note(file).write(b"note:")
    assert file.stat().st_mode == usual.stat().st_mode
    file.chmod(0o640)
    note(file).write(b"note: 2")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def _file(file: Path) -> None:
    file.write_bytes(b"something else")


def _empty(file: Path) -> None:
    file.touch()


def _link(file: Path) -> None:
    (file.parent / "song").write_bytes(b"note: a song")
    file.symlink_to("song")


def _dangling(file: Path) -> None:
    file.symlink_to("nothing")


def _pipe(file: Path) -> None:
    os.mkfifo(file)


EXISTING = [_file, _empty, _link, _dangling, Path.mkdir, pytest.param(_pipe, marks=posix)]


@pytest.mark.parametrize("make", EXISTING)
def test_file_of_another_kind_is_kept(make: Callable[[Path], None], tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    make(file)
    before, status = others(tmp_path), file.lstat()
    for attempt in (note(file).check, lambda: note(file).write(b"note:")):
        with pytest.raises(OutputError, match=r"a\.txt: exists and is "):
            attempt()
    assert others(tmp_path) == before
    assert file.lstat() == status


@pytest.mark.parametrize("make", EXISTING)
def test_file_created_in_the_meantime_is_kept(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fsync = tmp_path / "a.txt", os.fsync
    found: list[os.stat_result] = []

    def appear(descriptor: int) -> None:
        fsync(descriptor)
        make(file)
        found.append(file.lstat())

    monkeypatch.setattr(os, "fsync", appear)
    with pytest.raises(OutputError, match=r"a\.txt: "):
        note(file).write(b"note:")
    assert [file.lstat()] == found
    assert not [name for name in others(tmp_path) if name.endswith(".tmp")]


def test_file_replaced_in_the_meantime_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fsync = tmp_path / "a.txt", os.fsync
    file.write_bytes(b"note: before")

    def replaced(descriptor: int) -> None:
        fsync(descriptor)
        file.write_bytes(b"note: of another program")

    monkeypatch.setattr(os, "fsync", replaced)
    with pytest.raises(OutputError, match="another program has written it"):
        note(file).write(b"note:")
    assert file.read_bytes() == b"note: of another program"
    assert others(tmp_path) == ["a.txt"]


def test_error_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.txt: there is no folder .*/no/folder"):
        note(tmp_path / "no" / "folder" / "a.txt").check()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/a\.txt: "):
        note(tmp_path / "file" / "a.txt").check()
    with pytest.raises(OutputError, match=r"null (byte|character)"):
        note(tmp_path / "a\0b").check()
    with pytest.raises(OutputError, match=r"must end with \.png"):
        note(tmp_path / "a.mp3", ".png").check()


def test_full_disk_keeps_the_existing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"note: before")

    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"a\.txt: No space left"):
        note(file).write(b"note: after")
    with pytest.raises(OutputError, match=r"b\.txt: No space left"):
        note(tmp_path / "b.txt").write(b"note: after")
    assert file.read_bytes() == b"note: before"
    assert others(tmp_path) == ["a.txt"]


def test_link_is_not_followed(tmp_path: Path) -> None:
    song = tmp_path / "song"
    song.write_bytes(b"music")
    file = tmp_path / "a.txt"
    file.symlink_to("song")
    replace_atomically(file, b"text")
    assert song.read_bytes() == b"music"
    assert file.read_bytes() == b"text"
    assert not file.is_symlink()
