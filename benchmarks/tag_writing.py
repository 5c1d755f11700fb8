"""Time to write tags in place, compared with a full copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from mediafile import MediaFile

from beetsplug.genreclf.fields import CONFIDENCE, MEDIA_FIELDS, PREDICTED_GENRE
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_file import TagFile
from benchmarks.timing import Figures
from tests.sounds import make

SIZES = {"flac": 30_000_000, "mp3": 10_000_000}  # bytes
ROUNDS = 15


def tag_writing(root: Path) -> Figures:
    """Compare saving in place with saving a copy."""
    for name, field in MEDIA_FIELDS.items():
        if name not in MediaFile.fields():
            MediaFile.add_field(name, field)
    journal = Journal(root / "journal.db")
    redo_log = RedoLog(journal)

    def in_place(file: TagFile, path: Path) -> None:
        file.save(redo_log, id3v23=False)

    def full_copy(file: TagFile, path: Path) -> None:
        copy = path.with_name("copy")
        shutil.copyfile(path, copy)
        with copy.open("rb+") as written:
            file._save(written, id3v23=False)
            written.flush()
            os.fsync(written.fileno())
        shutil.copystat(path, copy)
        copy.replace(path)

    figures = []
    for kind, size in SIZES.items():
        path = make(root / "writing" / f"a.{kind}")
        with path.open("ab") as longer:
            longer.write(os.urandom(size - path.stat().st_size))
        saved = TagFile(path)
        saved.set({PREDICTED_GENRE: "jazz"})
        in_place(saved, path)  # makes room for the tags
        rounds = [[measured(save, path) for save in (in_place, full_copy)] for _ in range(ROUNDS)]
        ours, copies = zip(*rounds, strict=True)
        figures.append(
            {
                "file": f"{size // 10**6} MB {kind.upper()}",
                "in_place_ms": round(1000 * median(seconds for seconds, _ in ours), 1),
                "copy_ms": round(1000 * median(seconds for seconds, _ in copies), 1),
                "time_ratio": round(median(a[0] / b[0] for a, b in rounds), 2),
                "in_place_bytes": round(median(written for _, written in ours)),
                "copy_bytes": round(median(written for _, written in copies)),
                "bytes_ratio": round(median(a[1] / b[1] for a, b in rounds), 5),
            }
        )
    journal.close()
    return {"rounds": ROUNDS, "files": figures}


def measured(save: Callable[[TagFile, Path], None], path: Path) -> tuple[float, int]:
    """Return the seconds and the bytes written by one save."""
    file = TagFile(path)
    file.set({PREDICTED_GENRE: f"jazz {perf_counter()}", CONFIDENCE: perf_counter() % 1})
    file._unsettled = 0  # otherwise a file that was just written delays the save
    start, before = perf_counter(), bytes_written()
    save(file, path)
    return perf_counter() - start, bytes_written() - before


def bytes_written() -> int:
    """Return the bytes that this process has written so far."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["wchar"])
