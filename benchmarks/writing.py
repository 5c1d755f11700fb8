"""`python -m benchmarks.writing`: what it costs to write tags, beside a full copy of the file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from mediafile import MediaFile

from beetsplug.genreclf.fields import CONFIDENCE, GENRE, MEDIA_FIELDS
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_file import TagFile
from benchmarks.tables import section
from tests.sounds import make

SIZES = {"flac": 30_000_000, "mp3": 10_000_000}  # bytes
ROUNDS = 15
NOTE = """
One save that changes two tags, `fsync` included, reading tags excluded; medians of 15 rounds in
turn, as ratios of a round. Full copy: the file is copied, the copy is saved and synced, and takes
the place of the file. Bytes: as the system counts what the process writes, journal included.
""".strip()


def writing(root: Path) -> str:
    """Compare saving in place, by note, with saving a copy."""
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

    rows = []
    for kind, size in SIZES.items():
        path = make(root / "writing" / f"a.{kind}")
        with path.open("ab") as longer:
            longer.write(os.urandom(size - path.stat().st_size))
        saved = TagFile(path)
        saved.set({GENRE: "jazz"})
        in_place(saved, path)  # there is room for tags from now on
        rounds = [[measured(way, path) for way in (in_place, full_copy)] for _ in range(ROUNDS)]
        times = [median(ours[index] for ours, _ in rounds) for index in (0, 1)]
        rows.append(
            [
                f"{size // 10**6} MB {kind.upper()}",
                f"{1000 * times[0]:.1f} and {1000 * median(copy[0] for _, copy in rounds):.1f} ms",
                f"{median(ours[0] / copy[0] for ours, copy in rounds):.2f}",
                f"{times[1]:,.0f} and {median(copy[1] for _, copy in rounds):,.0f}",
                f"{median(ours[1] / copy[1] for ours, copy in rounds):.5f}",
            ]
        )
    journal.close()
    head = ["file", "in place and full copy", "ratio", "bytes written", "ratio"]
    return section("Writing tags", NOTE, head, rows)


def measured(way: Callable[[TagFile, Path], None], path: Path) -> tuple[float, int]:
    """Return the seconds and the bytes written of one save."""
    file = TagFile(path)
    file.set({GENRE: f"jazz {perf_counter()}", CONFIDENCE: perf_counter() % 1})
    file._unsettled = 0  # what was written a moment ago is waited for otherwise
    start, before = perf_counter(), bytes_written()
    way(file, path)
    return perf_counter() - start, bytes_written() - before


def bytes_written() -> int:
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["wchar"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="genreclf-bench-") as folder:
        print(writing(Path(folder)))
