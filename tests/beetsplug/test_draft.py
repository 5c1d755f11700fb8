from __future__ import annotations

import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beetsplug.genreclf.storage.inplace.draft import Change, Draft, DraftFull

SIZES = st.integers(0, 20_000)
CONTENT = st.builds(
    lambda seed, size: bytes((seed + number // 7) % 251 for number in range(size)),
    st.integers(0, 250),
    SIZES,
)
STEPS = st.one_of(
    st.tuples(st.just("seek"), st.integers(-3000, 20_000), st.sampled_from([0, 1, 2])),
    st.tuples(st.just("read"), st.integers(-1, 9000)),
    st.tuples(st.just("write"), CONTENT),
    st.tuples(st.just("truncate"), st.none() | SIZES),
    st.tuples(st.just("tell")),
    st.tuples(st.just("flush")),
)


def outcome(file: Any, name: str, *arguments: Any) -> Any:
    try:
        return getattr(file, name)(*arguments)
    except OSError:
        return OSError


def applied(content: bytes, draft: Draft) -> bytes:
    """Return what the changes of a draft make of the content of its file."""
    made = bytearray(content)
    for change in draft.changes():
        end = change.offset + len(change.old)
        assert made[change.offset : end] == change.old
        assert bool(change.old) == (change.offset < len(content))
        made.extend(bytes(max(change.offset + len(change.new) - len(made), 0)))
        made[change.offset : change.offset + len(change.new)] = change.new
    made.extend(bytes(max(draft.size - len(made), 0)))
    return bytes(made[: draft.size])


@given(CONTENT, st.lists(STEPS, max_size=12))
def test_draft_behaves_as_a_file(content: bytes, steps: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        path, real = Path(folder) / "draft", Path(folder) / "real"
        path.write_bytes(content)
        real.write_bytes(content)
        with path.open("rb", buffering=0) as file, real.open("rb+") as other:
            draft = Draft(file, limit=1 << 20)
            for step in steps:
                assert outcome(draft, *step) == outcome(other, *step), step
            other.flush()
            draft.seek(0)
            assert draft.read() == real.read_bytes()
            assert applied(content, draft) == real.read_bytes()
        assert path.read_bytes() == content


def opened(tmp_path: Path, content: bytes) -> io.FileIO:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path.open("rb", buffering=0)


def test_changes_are_the_blocks_that_differ(tmp_path: Path) -> None:
    with opened(tmp_path, bytes(100_000)) as file:
        draft = Draft(file, limit=1 << 20)
        draft.seek(50_000)
        draft.write(b"x")
        draft.write(bytes(5000))  # the same as before
        draft.seek(0, os.SEEK_END)
        draft.write(b"end")
        assert draft.changes() == [
            Change(50_000, bytes(16), b"x" + bytes(15)),
            Change(100_000, b"", b"end"),
        ]


def test_writing_more_than_the_limit_raises(tmp_path: Path) -> None:
    with opened(tmp_path, bytes(100_000)) as file:
        draft = Draft(file, limit=8192)
        draft.write(bytes(8192))
        draft.write(b"")
        assert not draft.full
        with pytest.raises(DraftFull):
            draft.write(b"x")
        assert draft.full
