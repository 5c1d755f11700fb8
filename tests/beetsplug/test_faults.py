"""Long runs survive failures, report them, and lose nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from mediafile import MediaFile

from tests.conftest import Beets, Prepared
from tests.faults import HOPELESS, TRUNCATED, fill, small_disk
from tests.platforms import DROPPED, byte_names, permissions, posix
from tests.sounds import long_track, make
from tests.tags import audio_bytes, every_tag, our_tags


def import_albums(beets: Beets) -> None:
    beets.settings["genreclf"] |= {"auto": False, "policy": "replace", "min_confidence": 0}
    add_albums(beets, range(9))
    beets.import_music()
    beets("genreclf", "--pretend")  # all of it is in the cache


@pytest.fixture
def analyzed(prepared: Prepared) -> Beets:
    """Return a library of three albums that are analyzed, but not classified."""
    return prepared(import_albums)


@pytest.fixture
def collection(analyzed: Beets) -> Beets:
    """Return a library of three albums that have not been analyzed."""
    (analyzed.root / "genreclf-cache.db").unlink()
    return analyzed


def add_albums(beets: Beets, numbers: range) -> None:
    """Add albums of three tracks."""
    for number in numbers:
        path = beets.add(f"{number // 3}/{number:02}.flac", seconds=8, seed=number)
        media = MediaFile(path)
        media.album = media.albumartist = f"Album {number // 3}"
        media.save()


def paths(beets: Beets) -> list[Path]:
    return [Path(line) for line in beets("ls", "-f", "$path", "title+").splitlines()]


def test_files_damaged_after_import(analyzed: Beets) -> None:
    damages = {**HOPELESS, **TRUNCATED}
    damages.pop("truncated at 99%")
    files = paths(analyzed)
    content = {}
    for path, (name, damage) in zip(files, damages.items(), strict=False):
        path.write_bytes(damage(path.read_bytes()))
        content[name] = path, path.read_bytes()
    done = analyzed.run("genreclf")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "some tracks could not be classified or written" in done.stderr.splitlines()[-1]
    for name in HOPELESS:
        path, before = content[name]
        assert f"genreclf: {path}: " in done.stderr, name
        assert path.read_bytes() == before, name
        assert analyzed.field("genres", f"path:{path}") == [""], name
    assert our_tags(files[-1])["predicted_genre"]


@posix
def test_files_removed_or_replaced_after_import(analyzed: Beets) -> None:
    folder, link, gone, replaced, *_, last = paths(analyzed)
    for path in (folder, link, gone, replaced):
        path.unlink()
    folder.mkdir()
    link.symlink_to("nowhere.flac")
    make(replaced, seconds=8, seed=99)
    done = analyzed.run("genreclf")
    assert done.returncode == 1
    assert f"{folder}: not a file" in done.stderr
    assert f"{link}: No such file" in done.stderr
    assert f"{gone}: No such file" in done.stderr
    assert our_tags(replaced)
    assert our_tags(last)
    assert "6 tracks updated, 0 unchanged, 0 abstained, 3 failed" in done.stderr


def run_as_a_user(beets: Beets, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `beet` without the privileges of root."""
    return beets.run(*arguments, prefix=DROPPED)


@permissions
def test_unreadable_files(collection: Beets) -> None:
    first, *others = paths(collection)
    first.chmod(0o000)
    done = run_as_a_user(collection, "genreclf")
    assert done.returncode == 1
    assert f"{first}: Permission denied" in done.stderr
    assert "8 tracks updated, 0 unchanged, 0 abstained, 1 failed" in done.stderr
    first.chmod(0o644)
    collection("genreclf")
    assert our_tags(first)
    assert all(our_tags(path) for path in others)


@permissions
def test_files_that_cannot_be_written(analyzed: Beets) -> None:
    first, *others = paths(analyzed)
    first.chmod(0o444)
    others[0].parent.chmod(0o555)  # does not matter where the tags fit into the file
    done = run_as_a_user(analyzed, "genreclf")
    assert f"genreclf: {first}: permission denied\n" in done.stderr
    assert "8 tracks updated, 0 unchanged, 0 abstained, 1 failed" in done.stderr
    assert not our_tags(first)
    assert all(our_tags(path) for path in others)
    first.chmod(0o644)
    analyzed("genreclf")
    first.chmod(0o444)
    done = run_as_a_user(analyzed, "genreclf-undo")
    assert f"genreclf: {first}: permission denied\n" in done.stderr
    assert our_tags(first)
    others[0].parent.chmod(0o755)


@posix
def test_undo_does_not_wait_for_a_pipe(analyzed: Beets) -> None:
    analyzed("genreclf")
    pipe, *others = paths(analyzed)
    pipe.unlink()
    os.mkfifo(pipe)
    done = analyzed.run("genreclf-undo")
    assert f"genreclf: {pipe}: not a file\n" in done.stderr
    assert not any(our_tags(path) for path in others)


@posix
def test_full_disk_loses_nothing(collection: Beets, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as small:
        files = [make(small / f"a.{kind}", seconds=4) for kind in ("flac", "wv", "wav", "mp3")]
        sound = [audio_bytes(path) for path in files]
        tags = {path: every_tag(path) for path in files}
        shutil.rmtree(collection.music)
        shutil.rmtree(collection.library)
        (collection.root / "library.db").unlink()
        collection.settings["import"] = {"copy": False}
        collection("import", "--quiet", "--noautotag", str(small))
        filler = fill(small)
        done = collection.run("genreclf")
        assert done.returncode == 1
        assert [audio_bytes(path) for path in files] == sound
        failed = [path for path in files if not our_tags(path)]
        assert files[0] not in failed, "there is room for tags in it"
        assert files[-1] in failed, "it has to be copied"
        assert done.stderr.count(": no space left on device\n") == len(failed)
        assert all(every_tag(path) == tags[path] for path in failed)
        assert not [*small.glob(".genreclf*")]
        filler.unlink()
        collection("genreclf")
        assert all(our_tags(path) for path in files)
        assert [audio_bytes(path) for path in files] == sound


@posix
def test_file_modes_and_links_are_kept(analyzed: Beets) -> None:
    plain, linked, several, *_ = paths(analyzed)
    plain.chmod(0o640)
    target = linked.rename(analyzed.root / "elsewhere.flac")
    linked.symlink_to(target)
    other = analyzed.root / "other.flac"
    other.hardlink_to(several)
    analyzed("genreclf")
    assert our_tags(other) == our_tags(several) != {}
    assert other.samefile(several)
    assert plain.stat().st_mode & 0o777 == 0o640
    assert linked.is_symlink()
    assert our_tags(target)


def start(beets: Beets, *arguments: str, new_session: bool = False) -> subprocess.Popen[str]:
    """Start a command. new_session: in a process group of its own."""
    beets.write_settings()
    return subprocess.Popen(
        [sys.executable, "-m", "beets", *arguments],
        env={**os.environ, "BEETSDIR": str(beets.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=new_session,
    )


def wait_for_tags(beets: Beets, process: subprocess.Popen[str], count: int = 1) -> None:
    """Wait until a command has tagged some files; all but the last of them are then finished."""
    while sum(bool(our_tags(path)) for path in beets.files() if path.name[0] != ".") < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@posix
def test_killed_run_is_resumed(collection: Beets) -> None:
    process = start(collection, "genreclf")
    wait_for_tags(collection, process)
    process.kill()
    process.communicate()
    sound = [audio_bytes(path) for path in paths(collection)]  # `beet ls` has run before
    assert collection.run("update").stderr == ""
    assert not (collection.root / "library.genre-journal.unfinished").exists()
    assert [audio_bytes(path) for path in paths(collection)] == sound
    done = collection.run("genreclf")
    assert done.returncode == 0, done.stderr
    assert all(our_tags(path) for path in paths(collection))
    assert not [path for path in collection.files() if path.name.startswith(".")]
    predicted = collection.field("predicted_genre")
    assert [our_tags(path)["predicted_genre"] for path in paths(collection)] == predicted
    assert collection("genreclf-cache").splitlines()[1].startswith("9 analyses"), "none twice"
    collection("genreclf-undo")
    assert not any(our_tags(path) for path in paths(collection))


@posix
def test_interrupted_run_is_resumed(collection: Beets) -> None:
    shutil.rmtree(collection.music)
    add_albums(collection, range(9, 15))
    collection.import_music()
    process = start(collection, "genreclf")
    wait_for_tags(collection, process, 2)  # a change that is interrupted is taken back
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "Traceback" not in printed
    assert "interrupted; run the command again to resume" in printed
    tagged = sum(bool(our_tags(path)) for path in paths(collection))
    assert 0 < tagged < 15
    found = re.search(r"genreclf: (\d+) tracks? updated", printed)
    assert found
    assert tagged - int(found[1]) in (0, 1)  # it may have been stopped between file and count
    assert collection.run("genreclf").returncode == 0
    assert all(our_tags(path) for path in paths(collection))


def test_two_runs_at_once(collection: Beets) -> None:
    for done in collection.run_together(["genreclf"], ["genreclf"]):
        assert done.returncode == 0, done.stderr
        assert "cache" not in done.stderr
    assert all(our_tags(path) for path in paths(collection))


def test_undo_restores_changes_of_two_runs_at_once(analyzed: Beets) -> None:
    before = [every_tag(path) for path in paths(analyzed)]
    for commands in ((["genreclf"], ["genreclf"]), (["genreclf", "-f"], ["genreclf-undo"])):
        for done in analyzed.run_together(*commands):
            assert done.returncode == 0, done.stderr
    analyzed("genreclf-undo")
    assert [every_tag(path) for path in paths(analyzed)] == before
    listed = analyzed("genreclf-undo", "--list").splitlines()
    assert all(line.endswith("(undone)") for line in listed), listed


def test_locked_library_is_reported(analyzed: Beets) -> None:
    analyzed.settings["timeout"] = 0.5  # s that beets waits
    before = [every_tag(path) for path in paths(analyzed)]
    with closing(sqlite3.connect(analyzed.root / "library.db")) as database:
        database.execute("BEGIN EXCLUSIVE")
        done = analyzed.run("genreclf")
        database.rollback()
    assert done.returncode == 1
    assert "locked" in done.stderr
    assert [every_tag(path) for path in paths(analyzed)] == before
    analyzed("genreclf")
    assert all(our_tags(path) for path in paths(analyzed))


def test_damaged_cache_is_ignored(collection: Beets) -> None:
    (collection.root / "genreclf-cache.db").write_bytes(b"garbage" * 1000)
    done = collection.run("genreclf")
    assert done.returncode == 0
    assert done.stderr.count("genreclf: running without the analysis cache: ") == 1
    assert all(our_tags(path) for path in paths(collection))
    done = collection.run("genreclf-cache")
    assert done.returncode == 1
    assert "without it, tracks are analyzed again" in done.stderr


def test_other_plugins_finish_before_the_exit_status_is_set(analyzed: Beets) -> None:
    """What they do when the command line ends is done before the exit status is set."""
    (analyzed.root / "late.py").write_text(
        "from beets.plugins import BeetsPlugin\n"
        "class Late(BeetsPlugin):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.register_listener('cli_exit', lambda lib: print('done late'))\n"
    )
    analyzed.settings |= {"plugins": ["genreclf", "late"], "pluginpath": str(analyzed.root)}
    paths(analyzed)[0].unlink()
    done = analyzed.run("genreclf")
    assert done.returncode == 1
    assert "done late" in done.stdout


def test_import_errors_are_reported_at_the_end(beets: Beets) -> None:
    """And imported without a genre."""
    for name in ("a", "b"):
        media = MediaFile(long_track(beets.music / f"{name}.mp3"))
        media.title = name
        media.save()
    beets.settings["genreclf"]["timeout"] = 0.001
    done = beets.run("import", "-qA", str(beets.music))
    assert done.returncode == 0
    assert done.stderr.count("not analyzed within 0.001 s") == 2
    assert beets.field("title") == ["a", "b"]
    assert beets.field("genres") == ["", ""]
    beets.settings["genreclf"]["timeout"] = 60
    beets("genreclf")
    assert all(beets.field("genre_model"))


@byte_names
def test_unusual_file_names(beets: Beets) -> None:
    beets.settings["import"] = {"copy": False}
    beets.music.mkdir()
    names = ["ü 🎵.flac", "a\nb.flac", "-f.flac", "a:b.flac", os.fsdecode(b"\xff\xfe.flac")]
    for seed, name in enumerate(names):
        make(beets.root / "a.flac", seed=seed).rename(beets.music / name)
    beets("import", "--quiet", "--noautotag", str(beets.music))
    assert all(our_tags(beets.music / name) for name in names)
    beets("genreclf", "--force", "--no-cache")
    assert beets("genreclf-explain", "genre_model::.").count("  0:00  ") == len(names)
    assert len(beets("genreclf-explain", "--json", "genre_model::.").splitlines()) == len(names)
    beets("genreclf-undo")
    assert not any(our_tags(beets.music / name) for name in names)


@posix
def test_interrupted_import_ends_cleanly_and_can_be_repeated(beets: Beets) -> None:
    """While beets asks about an album, the previous one is analyzed."""
    add_albums(beets, range(9))
    process = start(beets, "import", "--timid", str(beets.music))
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=100)
    assert "spawn_main" not in printed
    assert "Segmentation" not in printed
    beets("import", "--quiet", "--noautotag", str(beets.music))
    assert all(beets.field("predicted_genre"))
