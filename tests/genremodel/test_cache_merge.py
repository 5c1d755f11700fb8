"""Caches that are merged: untrusted rows of another file."""

from __future__ import annotations

import math
import os
import sqlite3
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genremodel import GenreClassifier
from genremodel.analysis import EMBEDDING_SIZE, OUTPUT_SIZE, TAGS, Analysis
from genremodel.audio.decoding import AudioSource
from genremodel.audio.digest import DIGEST_SIZE
from genremodel.batch.cache import Cache, CacheError
from genremodel.batch.cache_format import create, parse_result
from genremodel.batch.cache_merge import MergeCounts, Source, merge, validated
from genremodel.display import has_control_characters
from genremodel.errors import AnalysisTimeout, AudioError
from genremodel.models.musicnn import analysis_version
from genremodel.similarity import track_embedding
from tests.faults import mutated
from tests.memory import peak_growth
from tests.platforms import linux
from tests.sounds import make
from tests.variants import variants

VERSION = "windows 1, networks"
_SECOND = OUTPUT_SIZE // 2


def analysis(
    windows: int, places: int | None = None, seed: int = 0, silent: tuple[int, ...] = ()
) -> Analysis:
    """Return an analysis as the networks make them. silent: windows without sound."""
    rng = np.random.default_rng(seed)
    values = rng.random((windows, OUTPUT_SIZE)).astype(np.float16)
    audible = np.ones(windows, np.bool_)
    audible[[*silent]] = False
    values[np.setdiff1d(np.arange(windows), np.flatnonzero(audible)[:3]), _SECOND:] = np.nan
    at = None
    if places is not None:
        at = np.zeros(places, np.bool_)
        at[rng.permutation(places)[:windows]] = True
    return Analysis(np.arange(float(windows)), audible, values, at)


def empty() -> Analysis:
    return Analysis(np.empty(0), np.empty(0, np.bool_), np.empty((0, 0), np.float16))


Row = tuple[Any, ...]  # digest, version, places, content, failure, timeout


@st.composite
def valid_rows(draw: st.DrawFn) -> Row:
    digest = bytes([draw(st.integers(0, 3))]) * DIGEST_SIZE
    key = (
        digest,
        draw(st.sampled_from([VERSION, VERSION, "other"])),
        draw(st.sampled_from([10, 12])),
    )
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return *key, None, draw(st.text(st.characters(exclude_categories=["Cs"]))), None
    if kind == 1:
        return *key, None, "not analyzed", draw(st.floats(1e-3, 1e6))
    if kind == 2:
        return *key, empty().to_bytes(), None, None
    seed, windows = draw(st.integers(0, 99)), draw(st.integers(1, 10))
    if kind == 3:
        found = analysis(windows, 10, seed)
    else:
        silent = draw(st.sets(st.integers(0, windows - 1)))
        found = analysis(windows, seed=seed, silent=tuple(silent))
    return *key, found.to_bytes(), None, None


def damaged_content(change: Callable[[Analysis], Analysis], windows: int = 10) -> bytes:
    return change(analysis(windows)).to_bytes()


def with_value(row: int, column: int, value: float) -> Callable[[Analysis], Analysis]:
    def change(found: Analysis) -> Analysis:
        values = found.values.copy()
        values[row, column] = value
        return replace(found, values=values)

    return change


GOOD = analysis(10).to_bytes()
BAD_CONTENTS = {
    "empty": b"",
    "header only": GOOD[:8],
    "truncated": GOOD[:-1],
    "longer": GOOD + b"\0",
    "zeros": bytes(len(GOOD)),
    "other networks": replace(analysis(2), values=np.zeros((2, 7), np.float16)).to_bytes(),
    "no columns": replace(analysis(2), values=np.zeros((2, 0), np.float16)).to_bytes(),
    "too many places": analysis(3, 13).to_bytes(),
    "no windows of ten": replace(empty(), analyzed=np.zeros(10, np.bool_)).to_bytes(),
    "flag of 2": GOOD[:8] + b"\2" + GOOD[9:],
    "NaN activation": damaged_content(with_value(9, 3, math.nan)),
    "infinite embedding": damaged_content(with_value(9, TAGS, math.inf)),
    "NaN embedding": damaged_content(with_value(0, TAGS + EMBEDDING_SIZE - 1, math.nan)),
    "NaN of the second network": damaged_content(with_value(0, OUTPUT_SIZE - 1, math.nan)),
    "probability of 2": damaged_content(with_value(4, 0, 2)),
    "probability of -1": damaged_content(with_value(1, _SECOND, -1)),
    "NaN start": damaged_content(lambda found: replace(found, starts=found.starts * math.nan)),
    "negative start": damaged_content(lambda found: replace(found, starts=found.starts - 1)),
    "starts in disorder": damaged_content(lambda found: replace(found, starts=found.starts[::-1])),
    "no second network": damaged_content(
        lambda found: replace(
            found,
            values=np.where(np.arange(OUTPUT_SIZE) < _SECOND, found.values, np.float16(np.nan)),
        )
    ),
    "second network on silence": damaged_content(
        lambda found: replace(found, audible=np.arange(10) > 0)
    ),
    "silence in a part": replace(
        analysis(4, 10), audible=np.array([True, True, True, False])
    ).to_bytes(),
}  # fmt: skip
DIGEST = b"d" * DIGEST_SIZE
BAD_ROWS: dict[str, Row] = {
    **{name: (DIGEST, VERSION, 10, content, None, None) for name, content in BAD_CONTENTS.items()},
    "short digest": (b"d", VERSION, 10, GOOD, None, None),
    "digest that is text": ("d" * DIGEST_SIZE, VERSION, 10, GOOD, None, None),
    "places that are text": (DIGEST, VERSION, "many", GOOD, None, None),
    "fewer places than any option": (DIGEST, VERSION, 9, None, "failed", None),
    "negative places": (DIGEST, VERSION, -(2**63), GOOD, None, None),
    "nothing": (DIGEST, VERSION, 10, None, None, None),
    "both": (DIGEST, VERSION, 10, GOOD, "failed", None),
    "analysis with a limit": (DIGEST, VERSION, 10, GOOD, None, 60.0),
    "limit alone": (DIGEST, VERSION, 10, None, None, 60.0),
    "negative limit": (DIGEST, VERSION, 10, None, "slow", -1.0),
    "infinite limit": (DIGEST, VERSION, 10, None, "slow", math.inf),
    "limit that is text": (DIGEST, VERSION, 10, None, "slow", "a while"),
    "failure that is bytes": (DIGEST, VERSION, 10, None, b"failed", None),
    "content that is text": (DIGEST, VERSION, 10, "content", None, None),
}


def write(file: Path, rows: list[Row]) -> Path:
    """Write a cache with these rows."""
    with closing(sqlite3.connect(file)) as database, database:
        create(database)
        database.executemany("INSERT OR REPLACE INTO analyses VALUES (?, ?, ?, ?, ?, ?)", rows)
    return file


def read(file: Path, table: str = "analyses") -> list[Row]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path / "cache.db", VERSION, 10) as opened:
        yield opened


def windows_of(row: Row | None) -> int:
    """Return how good an entry is: -2 if there is none, -1 for a failure."""
    if row is None:
        return -2
    return -1 if row[4] is not None else len(Analysis.from_bytes(row[3]).starts)


def expected(own: dict[Row, Row], rows: list[Row]) -> tuple[dict[Row, Row], MergeCounts]:
    merged, added, known = dict(own), 0, 0
    for row in (row for row in rows if row[1] == VERSION):
        better = windows_of(row) > windows_of(merged.get(row[:3]))
        added, known = added + better, known + (not better)
        if better:
            merged[row[:3]] = row
    return merged, MergeCounts(added, known, sum(row[1] != VERSION for row in rows))


def by_key(rows: list[Row]) -> dict[Row, Row]:
    return {row[:3]: row for row in rows}


@settings(max_examples=30, deadline=None)
@given(st.lists(valid_rows(), max_size=8), st.lists(valid_rows(), max_size=8), st.data())
def test_better_entries_are_added_or_nothing_is(
    own: list[Row], rows: list[Row], data: st.DataObject
) -> None:
    bad = data.draw(st.one_of(st.none(), st.sampled_from(sorted(BAD_ROWS))))
    with tempfile.TemporaryDirectory() as folder:
        file = write(Path(folder, "other.db"), rows + ([BAD_ROWS[bad]] if bad else []))
        path = write(Path(folder, "cache.db"), own)
        before, content = read(path), file.read_bytes()
        with Cache(path, VERSION, 10) as cache:
            if bad:
                with pytest.raises(CacheError, match=r"nothing merged: 1 of \d+ entries refused"):
                    merge(cache, file)
                assert read(path) == before
                return
            result, counts = expected(by_key(before), [*by_key(rows).values()])
            assert merge(cache, file) == counts
            assert merge(cache, file) == replace(counts, added=0, known=counts.added + counts.known)
        after = by_key(read(path))
        assert after.keys() == result.keys()
        for key, (*_, content_before, failure, timeout) in result.items():
            assert after[key][3::2] == (content_before, timeout)
            assert windows_of(after[key]) == windows_of(result[key])
            if (
                timeout is None
                and failure is not None
                and failure.isascii()
                and failure.isprintable()
            ):
                assert after[key][4] == failure
            assert parse_result(*after[key][3:])
        assert file.read_bytes() == content
        assert not [*Path(folder).glob("other.db-*")], "nothing is left beside it"


@pytest.mark.parametrize("name", BAD_ROWS)
def test_invalid_rows_are_refused(name: str) -> None:
    digest, _, *rest = BAD_ROWS[name]
    with pytest.raises(ValueError, match=r"."):
        validated((digest, *rest))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_are_refused_or_still_valid(data: st.DataObject) -> None:
    content = bytearray(analysis(data.draw(st.integers(1, 4)), seed=1).to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        _, _, found = validated((DIGEST, 10, bytes(content), None, None))
    except ValueError:
        return
    assert isinstance(found, Analysis)
    assert found.to_bytes() == content
    assert np.isfinite(found.activations).all()
    embedding = track_embedding(found)
    assert embedding is None or np.isfinite(np.frombuffer(embedding, "<f2")).all()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000))
def test_random_bytes_are_refused(content: bytes) -> None:
    try:
        validated((DIGEST, 10, content, None, None))
    except ValueError:
        return
    assert not Analysis.from_bytes(content).values.size


@pytest.mark.parametrize("windows", [1, 3, 10, 20])
def test_analyses_of_the_model_are_valid(tmp_path: Path, windows: int) -> None:
    classifier = GenreClassifier(windows=windows)
    silence = np.zeros(16_000 * 40, np.float32)
    half = silence.copy()
    half[:80_000] = np.random.default_rng(0).normal(size=80_000) * 0.1
    sounds: dict[str, AudioSource] = {
        "song": make(tmp_path / "song.flac", seconds=60),
        "short": make(tmp_path / "short.flac", seconds=3.4),
        "instant": (silence[:100], 16_000),
        "silence": (silence, 16_000),
        "half": (half, 16_000),
    }
    for name, source in sounds.items():
        found = classifier.analyze(source)
        try:
            validated((DIGEST, max(windows, 10), found.to_bytes(), None, None))
        except ValueError as exc:
            pytest.fail(f"{name}: {exc}")


def test_cached_analyses_are_valid_with_every_number_of_windows(tmp_path: Path) -> None:
    path = make(tmp_path / "a.flac", seconds=60)
    for windows in (1, 3, 5, 10, 12):
        with GenreClassifier(windows=windows).pool(workers=1, cache=tmp_path / "cache.db") as pool:
            pool.submit(path).result()
        with Cache(tmp_path / f"{windows}.db", analysis_version(), 10) as cache:
            assert merge(cache, tmp_path / "cache.db").added == 1 + (windows == 12)


def test_embeddings_are_computed_from_the_analyses(cache: Cache, tmp_path: Path) -> None:
    found = analysis(10)
    file = write(tmp_path / "other.db", [(DIGEST, VERSION, 10, found.to_bytes(), None, None)])
    with closing(sqlite3.connect(file)) as database, database:
        row = DIGEST, VERSION, 10, b"crafted"
        database.execute("INSERT INTO embeddings VALUES (?, ?, ?, ?)", row)
        database.execute("INSERT INTO files VALUES ('/music/a.mp3', 1, 1, ?)", (DIGEST,))
    merge(cache, file)
    assert cache.path
    assert read(cache.path, "embeddings") == [(DIGEST, VERSION, 10, track_embedding(found))]
    assert read(cache.path, "files") == [], "paths are those of another machine"


def test_messages_of_failures_are_escaped(cache: Cache, tmp_path: Path) -> None:
    row = DIGEST, VERSION, 10, None, "red\x1b[31m\nfailure", None
    merge(cache, write(tmp_path / "other.db", [row]))
    assert str(cache.get_digest(DIGEST)) == r"red\x1b[31m\nfailure"


def test_damaged_own_entry_is_replaced(cache: Cache, tmp_path: Path) -> None:
    for content in (b"damaged", None):
        assert cache.path
        cache.close()
        cache.path.unlink(missing_ok=True)
        write(cache.path, [(DIGEST, VERSION, 10, content, None, None)])
        row = DIGEST, VERSION, 10, None, "no audio stream", None
        assert merge(cache, write(tmp_path / "other.db", [row])).added == 1


def test_file_that_changes_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "other.db", [])
    with Source(file) as source:
        source.require_unchanged()
        os.utime(file, (1, 1))
        with pytest.raises(CacheError, match="another program is writing it"):
            source.require_unchanged()
    with Source(file) as source, closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        with database:
            database.execute("UPDATE statistics SET hits = 7")
        with pytest.raises(CacheError, match="another program is writing it"):
            source.require_unchanged()


def test_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    content = analysis(10).to_bytes()
    digests = (n.to_bytes(DIGEST_SIZE, "big") for n in range(1000))  # more than SQLite buffers
    file = write(tmp_path / "other.db", [(x, VERSION, 10, content, None, None) for x in digests])
    with Source(file) as source:
        found = source.rows(VERSION)
        next(found)
        os.truncate(file, file.stat().st_size // 2)
        with pytest.raises(CacheError, match="another program is writing it"):
            deque(found)


def test_timeouts_keep_their_limit(cache: Cache, tmp_path: Path) -> None:
    row = DIGEST, VERSION, 10, None, "crafted", 7.5
    merge(cache, write(tmp_path / "other.db", [row]))
    found = cache.get_digest(DIGEST)
    assert isinstance(found, AnalysisTimeout)
    assert isinstance(found, AudioError)
    assert (found.limit, str(found)) == (7.5, "not analyzed within 7.5 s")


def refusal(file: Path, path: Path) -> str:
    """Return why a file is not merged into a cache."""
    with Cache(path, VERSION, 10) as cache, pytest.raises(CacheError) as caught:
        merge(cache, file)
    return str(caught.value)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 cannot limit SQLite")
@linux
@pytest.mark.parametrize("column", variants(["content", "failure"], default=["content"]))
def test_memory_is_bounded(tmp_path: Path, column: str) -> None:
    file = write(tmp_path / "other.db", [(DIGEST, VERSION, 10, None, "failed", None)])
    with closing(sqlite3.connect(file)) as database, database:
        value = bytes(100 << 20) if column == "content" else "a" * (100 << 20)
        database.execute(f"UPDATE analyses SET {column} = ?", (value,))
    growth, message = peak_growth(__name__, refusal.__name__, file, tmp_path / "cache.db")
    assert message == f"{file}: string or blob too big"
    assert growth < 30


def test_damaged_files_are_merged_completely_or_not_at_all(tmp_path: Path) -> None:
    entries = [
        (bytes([n]) * DIGEST_SIZE, VERSION, 10, analysis(10, seed=n).to_bytes(), None, None)
        for n in range(30)
    ]
    content = write(tmp_path / "other.db", entries).read_bytes()
    for seed in range(150):
        file, path = tmp_path / f"{seed}.db", tmp_path / f"own {seed}.db"
        file.write_bytes(mutated(content, seed))
        with Cache(write(path, entries[:1]), VERSION, 10) as cache:
            added, message = 0, ""
            try:
                added = merge(cache, file).added
            except CacheError as exc:
                message = str(exc)
            assert not has_control_characters(message)
            assert cache.statistics().analyses == 1 + added
        for row in read(path):
            validated((row[0], *row[2:]))
