"""`python -m tests.kills ROOT PATH`: kill a save of tags at each of its steps, and recover.

ROOT: a beets library, with `config.yaml`. PATH: one of its files. For each step, from the state of
the start, a process saves tags and is killed there; then `beet update` runs. Prints one JSON object
for each different state that a kill leaves: the step, and what the file and the folder are
afterwards.

A step is a call that changes a file, a folder or the journal, or the middle of a write in place.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from mediafile import MediaFile

from beetsplug.genreclf.fields import MEDIA_FIELDS
from beetsplug.genreclf.storage.inplace import redo_log, rewrite
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_file import TagFile

_FILES = {
    "open",
    "write",
    "truncate",
    "fsync",
    "fdatasync",
    "utime",
    "ioctl",
    "copy_file_range",
    "unlink",
}
_FILES |= {"chown", "fchmod", "setxattr", "replace", "rename"}
STEPS = _FILES | {"execute", "executescript", "commit", "__exit__"}
VALUES = {"predicted_genre": "jazz", "predicted_styles": ["folk", "soul"], "genre_confidence": 0.5}


def main(root: Path, path: Path, limit: int) -> None:
    from beets.ui import main as beet

    import genremodel.batch.sqlite_files  # noqa: F401  # what a save imports would be hundreds of steps

    rewrite.MAX_IN_PLACE = limit
    journal = root / "library.genre-journal.db"
    content = path.read_bytes()
    seen = set[str]()
    step, finished = 0, False
    while not finished:
        step += 1
        others = [file for file in path.parent.iterdir() if file != path]
        for left in [*root.glob("library.genre-journal*"), *others]:
            left.unlink()
        _put(path, content)
        _forked(partial(_save_until, step, path, journal))
        finished = (root / "finished").exists()
        (root / "finished").unlink(missing_ok=True)
        key = _state(path, journal)
        if key in seen:
            continue
        seen.add(key)
        output = _forked(partial(beet, ["update"]))
        report = {
            "step": step,
            "digest": hashlib.sha256(path.read_bytes()).hexdigest(),
            "folder": sorted(file.name for file in path.parent.iterdir()),
            "marked": journal.with_suffix(".unfinished").exists(),
            "output": output,
        }
        print(json.dumps(report), flush=True)


def _put(path: Path, content: bytes) -> None:
    """Make a file what it was, under the same inode, if it still has that."""
    path.write_bytes(content)
    os.utime(path, ns=(10**18, 10**18))


def _save_until(step: int, path: Path, journal: Path) -> None:
    """Save tags, and be killed at a step."""
    for name, field in MEDIA_FIELDS.items():
        if name not in MediaFile.fields():
            MediaFile.add_field(name, field)
    count = 0

    def profile(_: object, event: str, function: Any) -> None:
        nonlocal count
        in_memory = isinstance(getattr(function, "__self__", None), io.BytesIO)
        if event == "c_call" and function.__name__ in STEPS and not in_memory:
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    write = redo_log._write

    def write_in_halves(file: Any, offset: int, content: bytes) -> None:
        half = len(content) // 2
        write(file, offset, content[:half])
        write(file, offset + half, content[half:])

    redo_log._write = write_in_halves
    file = TagFile(path)
    file.set(VALUES)
    opened = Journal(journal)
    with opened.lock():
        sys.setprofile(profile)
        file.save(redo_log.RedoLog(opened), id3v23=False)
        sys.setprofile(None)
    (journal.parent / "finished").touch()


def _state(path: Path, journal: Path) -> str:
    """Return a digest of all that a recovery goes by."""
    digest = hashlib.sha256(path.read_bytes())
    for file in sorted(path.parent.iterdir()):
        digest.update(file.name[:10].encode() + str(file == path or file.stat().st_size).encode())
    digest.update(str(journal.with_suffix(".unfinished").exists()).encode())
    with tempfile.TemporaryDirectory() as folder:
        for file in journal.parent.glob(f"{journal.name}*"):
            shutil.copy(file, folder)
        if (copy := Path(folder) / journal.name).exists():
            with closing(sqlite3.connect(copy)) as database:
                for table in ("redo_log", "copies"):
                    try:
                        rows = database.execute(f"SELECT COUNT(*), COUNT(inode) FROM {table}")
                        digest.update(repr((table, rows.fetchall())).encode())
                    except sqlite3.Error:
                        continue
    return digest.hexdigest()


def _forked(action: Any) -> str:
    """Do something in a process of its own, and return what it prints."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            action()
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)
        output.seek(0)
        return output.read().decode(errors="replace")


if __name__ == "__main__":
    os.environ["BEETSDIR"] = sys.argv[1]
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
