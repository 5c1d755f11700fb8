"""`beet genreclf-cache --merge`: two machines, or two friends, divide a library."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genremodel.analysis import OUTPUT_SIZE, Analysis
from genremodel.batch.cache import Cache, CacheError
from genremodel.batch.cache_format import create
from genremodel.batch.cache_merge import merge as merge_file
from genremodel.models.musicnn import analysis_version
from tests.beetsplug.test_faults import run_as_a_user
from tests.conftest import Beets, Prepared
from tests.platforms import permissions, posix

FILE = "genreclf-cache.db"


def import_two_tracks(beets: Beets) -> None:
    beets.settings["genreclf"]["auto"] = False
    for seed, name in enumerate(("a", "b")):
        beets.add(f"{name}.flac", seconds=8, seed=seed)
    beets.import_music("--singletons")
    for title, name in (("a", "other.db"), ("b", "own.db")):
        beets("genreclf", "--pretend", f"title:{title}")
        (beets.root / FILE).rename(beets.root / name)


@pytest.fixture
def beets(prepared: Prepared) -> Beets:
    """Return a library of two tracks that have not been analyzed."""
    return prepared(import_two_tracks)


@pytest.fixture
def other(beets: Beets) -> Path:
    """Return the cache of another machine, which has analyzed the first track."""
    return beets.root / "other.db"


@pytest.fixture
def own(beets: Beets) -> Path:
    """Return the cache of this machine, which has analyzed the second track."""
    return (beets.root / "own.db").rename(beets.root / FILE)


def rows(file: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as database:
        return [
            (table, *row)
            for table in ("analyses", "embeddings", "files")
            for row in database.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3")
        ]


def change(file: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(sql, values)


def merge(beets: Beets, file: Path) -> str:
    """Merge a cache, and return the line about it."""
    return beets("genreclf-cache", "--merge", str(file)).splitlines()[0]


def counts(beets: Beets) -> tuple[str, int]:
    """Return the numbers of entries, and how many lookups were hits."""
    _, entries, lookups = beets("genreclf-cache").splitlines()
    return entries, int(lookups.split()[0])


def test_merged_analyses_are_used(beets: Beets, other: Path, own: Path) -> None:
    output = beets("genreclf-cache", "--merge", str(other)).splitlines()
    assert output[0] == "1 entry added, 0 known, 0 of other versions skipped, 0 refused"
    assert output[1].startswith(f"{own}: ")
    assert output[2] == "2 analyses and 0 failures of 1 file"
    assert merge(beets, other) == "0 entries added, 1 known, 0 of other versions skipped, 0 refused"
    before = rows(own)
    beets("genreclf", "--pretend")
    entries, _ = counts(beets)
    assert entries == "2 analyses and 0 failures of 2 files"
    after = rows(own)
    assert [row for row in before if row[0] != "files"] == [x for x in after if x[0] != "files"]
    assert beets("genreclf-similar", "title:a", "-f", "$title") == "b\n"


def test_predictions_are_the_same(beets: Beets, other: Path) -> None:
    beets("genreclf", "title:a")
    expected = beets("ls", "-f", "$predicted_genre $genre_confidence $genre_votes", "title:a")
    beets("genreclf-undo", "--last")
    (beets.root / FILE).unlink()
    merge(beets, other)
    beets("genreclf", "title:a")
    actual = beets("ls", "-f", "$predicted_genre $genre_confidence $genre_votes", "title:a")
    assert actual == expected
    assert counts(beets) == ("1 analysis and 0 failures of 1 file", 1)


def test_better_entries_win(beets: Beets, other: Path) -> None:
    ten = rows(other)[0]
    beets.settings["genreclf"]["windows"] = 3
    beets("genreclf", "--pretend", "title:a")
    three = rows(beets.root / FILE)[0]
    assert len(three[4]) < len(ten[4])
    few, failed = beets.root / "few.db", beets.root / "failed.db"
    shutil.copy(beets.root / FILE, few)
    assert merge(beets, other).startswith("1 entry added, 0 known")
    assert rows(beets.root / FILE)[0] == ten
    assert merge(beets, few).startswith("0 entries added, 1 known")
    assert rows(beets.root / FILE)[0] == ten
    shutil.copy(other, failed)
    change(failed, "UPDATE analyses SET content = NULL, failure = 'no audio stream'")
    assert merge(beets, failed).startswith("0 entries added, 1 known")
    assert rows(beets.root / FILE)[0] == ten
    change(beets.root / FILE, "UPDATE analyses SET content = NULL, failure = 'worker crashed'")
    assert merge(beets, failed).startswith("0 entries added, 1 known")
    assert rows(beets.root / FILE)[0][5] == "worker crashed"
    assert merge(beets, other).startswith("1 entry added, 0 known")
    assert rows(beets.root / FILE)[0] == ten


def test_other_analysis_versions_are_skipped(beets: Beets, other: Path) -> None:
    change(
        other,
        "INSERT INTO analyses SELECT digest, 'older', places, x'00', failure, timeout "
        "FROM analyses",
    )
    assert merge(beets, other) == "1 entry added, 0 known, 1 of other versions skipped, 0 refused"
    change(other, "DELETE FROM analyses WHERE version <> 'older'")
    assert merge(beets, other) == "0 entries added, 0 known, 1 of other versions skipped, 0 refused"


def test_knn_backend(beets: Beets, other: Path) -> None:
    """It has analyses of its own, and keeps those of the CNN for the other backends."""
    beets.settings["genreclf"]["backend"] = "knn"
    assert merge(beets, other).startswith("1 entry added")


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _zero_middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:8192] = bytes(4096)
    file.write_bytes(content)


def _not_finite(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        (content,) = database.execute("SELECT content FROM analyses").fetchone()
    found = Analysis.from_bytes(content)
    values = found.values.copy()
    values[0, 0] = np.inf
    worse = Analysis(found.starts, found.audible, values, found.analyzed).to_bytes()
    key = "SELECT zeroblob(16), version, places"
    change(file, f"INSERT INTO analyses {key}, ?, NULL, NULL FROM analyses", worse)


def _view(file: Path) -> None:
    change(file, "ALTER TABLE analyses RENAME TO others")
    change(
        file,
        "CREATE VIEW analyses AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT CAST(i AS BLOB) AS digest, version, places, content, failure, timeout "
        "FROM n, others",
    )


def _in_use(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("UPDATE statistics SET hits = 5")
        database.commit()
        shutil.copy(file, file.with_name("copy.db"))
        shutil.copy(f"{file}-wal", file.with_name("copy.db-wal"))
    for end in ("", "-wal"):
        file.with_name(f"copy.db{end}").replace(f"{file}{end}")


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "No such file or directory"),
    "empty": (lambda file: file.write_bytes(b""), "not a cache of analyses"),
    "garbage": (lambda file: file.write_bytes(b"garbage" * 9999), "file is not a database"),
    "truncated": (_cut, "malformed"),
    "zeroed page": (_zero_middle, "damaged (Page 2: "),
    "library": (lambda file: shutil.copy(file.with_name("library.db"), file), "not a cache of"),
    "journal": (
        lambda file: change(file, "PRAGMA application_id = 1735682156"),
        "not a cache of analyses",
    ),
    "older format": (lambda file: change(file, "PRAGMA user_version = 6"), "an older version"),
    "newer format": (lambda file: change(file, "PRAGMA user_version = 8"), "a newer version"),
    "view": (_view, "not a cache of analyses"),
    "no table": (lambda file: change(file, "DROP TABLE analyses"), "not a cache of analyses"),
    "other table": (
        lambda file: change(file, "CREATE TABLE others (path BLOB)"),
        "not a cache of analyses",
    ),
    "trigger": (
        lambda file: change(
            file, "CREATE TRIGGER added AFTER INSERT ON analyses BEGIN DELETE FROM files; END"
        ),
        "not a cache of analyses",
    ),
    "not finite": (_not_finite, "nothing merged: 1 of 2 entries refused (probabilities that are"),
    "text for bytes": (
        lambda file: change(file, "UPDATE analyses SET content = CAST('x' AS TEXT)"),
        "nothing merged: 1 of 1 entries refused (neither an analysis nor a failure)",
    ),
    "text that is not UTF-8": (
        lambda file: change(
            file, "UPDATE analyses SET content = NULL, failure = CAST(x'1b0aff' AS TEXT)"
        ),
        "Could not decode to UTF-8 column 'failure'\n",
    ),
    "being written": (_in_use, "another program is writing it"),
    "hot journal": (
        lambda file: Path(f"{file}-journal").write_bytes(b"pages"),
        "another program is writing it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_file_changes_nothing(beets: Beets, other: Path, own: Path, name: str) -> None:
    damage, message = BAD[name]
    damage(other)
    before = rows(own)
    files = {path: path.read_bytes() for path in beets.root.glob("other.db*")}
    done = beets.run("genreclf-cache", "--merge", str(other))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {other}: ")
    assert message in done.stderr
    assert rows(own) == before
    assert {path: path.read_bytes() for path in beets.root.glob("other.db*")} == files


def test_entries_are_checked_before_other_commands_must_wait(
    beets: Beets, other: Path, own: Path
) -> None:
    _not_finite(other)
    with closing(sqlite3.connect(own)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        done = beets.run("genreclf-cache", "--merge", str(other))
    assert "nothing merged: 1 of 2 entries refused" in done.stderr


def test_entries_that_change_after_the_check_are_refused(tmp_path: Path) -> None:
    """Even if the file has the same size and time as before."""
    file, count = tmp_path / "other.db", 1500  # more than SQLite keeps in memory
    first, second = (
        Analysis(
            np.arange(10.0), np.ones(10, np.bool_), np.full((10, OUTPUT_SIZE), value)
        ).to_bytes()
        for value in np.array([0.5, 0.25], np.float16)
    )
    with closing(sqlite3.connect(file)) as database, database:
        create(database)
        for number in range(count):
            row = (number.to_bytes(16, "big"), "v", 10, first, None, None)
            database.execute("INSERT INTO analyses VALUES (?, ?, ?, ?, ?, ?)", row)

    class Meanwhile(Cache):
        """A cache whose transaction begins after the file has changed."""

        @contextmanager
        def transaction(self) -> Iterator[sqlite3.Connection]:
            state = file.stat()
            change(file, "UPDATE analyses SET content = ? WHERE rowid = 1", second)
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
            with super().transaction() as connection:
                yield connection

    with Meanwhile(tmp_path / "cache.db", "v") as cache:
        with pytest.raises(CacheError, match="another program is writing it"):
            merge_file(cache, file)
        assert cache.statistics().analyses == 0
    with Cache(tmp_path / "cache.db", "v") as cache:
        assert merge_file(cache, file).added == count


@posix
def test_not_a_file(beets: Beets, other: Path) -> None:
    os.mkfifo(beets.root / "pipe")
    for name in ("pipe", "library", ""):
        done = beets.run("genreclf-cache", "--merge", name)
        assert done.returncode == 1
        assert done.stderr == f"error: {Path(name)}: not a file\n"


@posix
def test_cache_itself(beets: Beets, other: Path) -> None:
    merge(beets, other)
    (beets.root / "link.db").symlink_to(FILE)
    for name in (FILE, "link.db"):
        done = beets.run("genreclf-cache", "--merge", name)
        assert done.returncode == 1
        assert done.stderr == f"error: {name}: this is the cache itself\n"


@posix
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a" * 300, f"{'a' * 300}: File name too long"),
        ("b\x1b[31m\n.db", r"b\x1b[31m\n.db: No such file or directory"),
    ],
    ids=["too long", "control characters"],
)
def test_file_names(beets: Beets, other: Path, name: str, message: str) -> None:
    merge(beets, other)
    done = beets.run("genreclf-cache", "--merge", name)
    assert (done.returncode, done.stderr) == (1, f"error: {message}\n")


@permissions
def test_read_only_files(beets: Beets, other: Path) -> None:
    (folder := beets.root / "#1 other %").mkdir()
    file = other.rename(folder / "other?.db")
    file.chmod(0o444)
    folder.chmod(0o555)
    done = run_as_a_user(beets, "genreclf-cache", "--merge", str(file))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 entry added")
    assert [*folder.iterdir()] == [file]
    file.chmod(0)
    done = run_as_a_user(beets, "genreclf-cache", "--merge", str(file))
    assert (done.returncode, done.stderr) == (1, f"error: {file}: Permission denied\n")
    file.chmod(0o444)
    beets("genreclf-cache", "--clear")
    (beets.root / FILE).chmod(0o444)
    done = run_as_a_user(beets, "genreclf-cache", "--merge", str(file))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {beets.root / FILE}: ")
    folder.chmod(0o755)


@posix
def test_killed_merge_changes_nothing(beets: Beets, other: Path, own: Path) -> None:
    values = np.random.default_rng(0).random((10, OUTPUT_SIZE)).astype(np.float16)
    content = Analysis(np.arange(10.0), np.ones(10, np.bool_), values)
    values[3:, OUTPUT_SIZE // 2 :] = np.nan
    many = 3000
    with closing(sqlite3.connect(other)) as database, database:
        database.executemany(
            "INSERT INTO analyses VALUES (?, ?, 10, ?, NULL, NULL)",
            (
                (number.to_bytes(16, "big"), analysis_version(), content.to_bytes())
                for number in range(many)
            ),
        )
    before = rows(own)
    beets.write_settings()
    running = subprocess.Popen(
        [sys.executable, "-m", "beets", "genreclf-cache", "--merge", str(other)],
        env={**os.environ, "BEETSDIR": str(beets.root)},
        cwd=beets.root,
        stdout=subprocess.DEVNULL,
    )
    log = Path(f"{own}-wal")
    while not log.exists() or log.stat().st_size < 1 << 22:
        assert running.poll() is None, "it is still merging"
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert rows(own) == before
    assert merge(beets, other).startswith(f"{many + 1} entries added, 0 known")
