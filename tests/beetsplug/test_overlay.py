from __future__ import annotations

import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beetsplug.genreclf.storage.inplace.overlay import Change, Overlay, OverlayFull

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


def applied(content: bytes, overlay: Overlay) -> bytes:
    """Return the content of a file after the changes of its overlay."""
    made = bytearray(content)
    for change in overlay.changes():
        end = change.offset + len(change.old)
        assert made[change.offset : end] == change.old
        assert bool(change.old) == (change.offset < len(content))
        made.extend(bytes(max(change.offset + len(change.new) - len(made), 0)))
        made[change.offset : change.offset + len(change.new)] = change.new
    made.extend(bytes(max(overlay.size - len(made), 0)))
    return bytes(made[: overlay.size])


@settings(deadline=None)  # the first example imports NumPy
@given(CONTENT, st.lists(STEPS, max_size=12))
def test_overlay_behaves_as_a_file(content: bytes, steps: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        path, real = Path(folder) / "overlay", Path(folder) / "real"
        path.write_bytes(content)
        real.write_bytes(content)
        with path.open("rb", buffering=0) as file, real.open("rb+") as other:
            overlay = Overlay(file, limit=1 << 20)
            for step in steps:
                assert outcome(overlay, *step) == outcome(other, *step), step
            other.flush()
            overlay.seek(0)
            assert overlay.read() == real.read_bytes()
            assert applied(content, overlay) == real.read_bytes()
        assert path.read_bytes() == content


def opened(tmp_path: Path, content: bytes) -> io.FileIO:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path.open("rb", buffering=0)


def test_changes_are_the_differing_blocks(tmp_path: Path) -> None:
    with opened(tmp_path, bytes(100_000)) as file:
        overlay = Overlay(file, limit=1 << 20)
        overlay.seek(50_000)
        overlay.write(b"x")
        overlay.write(bytes(5000))  # the same as before
        overlay.seek(0, os.SEEK_END)
        overlay.write(b"end")
        assert overlay.changes() == [
            Change(50_000, bytes(16), b"x" + bytes(15)),
            Change(100_000, b"", b"end"),
        ]


def test_writing_more_than_the_limit_raises(tmp_path: Path) -> None:
    with opened(tmp_path, bytes(100_000)) as file:
        overlay = Overlay(file, limit=8192)
        overlay.write(bytes(8192))
        overlay.write(b"")
        assert not overlay.full
        with pytest.raises(OverlayFull):
            overlay.write(b"x")
        assert overlay.full
