"""A library that cannot be written: commands that change nothing work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.beetsplug.test_faults import run_as_a_user
from tests.conftest import Beets
from tests.platforms import permissions

pytestmark = permissions

COMMANDS = {
    ("genreclf-explain", "path::."): "votes",
    ("genreclf-explain", "--json", "path::."): '"votes"',
    ("genreclf", "--pretend", "--force"): "0 failed",
    ("genreclf", "--pretend", "--write"): "genreclf: ",
    ("genreclf", "--pretend", "--no-cache"): "genreclf: ",
    ("genreclf-similar", "title:a"): " - b",
    ("genreclf-train", "--list"): "no models trained yet",
}
# Of a library in which the plugin has run before.
KNOWN = {
    ("genreclf-cache",): "2 analyses and 0 failures",
    ("genreclf-undo", "--list"): "1: ",
    ("genreclf-undo", "--pretend"): "2 tracks and 1 album would be restored",
}


@pytest.fixture
def two_tracks(beets: Beets) -> Beets:
    for seed, name in enumerate(("a", "b")):
        beets.add(f"{name}.flac", seconds=8, seed=seed)
    return beets


@contextmanager
def read_only(root: Path) -> Iterator[None]:
    """Make a folder and its files read-only; check that nothing changes."""
    everything = [root, *root.rglob("*")]
    before = {path: path.read_bytes() for path in everything if path.is_file()}
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
        assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    finally:
        for path in everything:
            path.chmod(0o755 if path.is_dir() else 0o644)


def run_all(beets: Beets, commands: dict[tuple[str, ...], str]) -> None:
    for command, expected in commands.items():
        done = run_as_a_user(beets, *command)
        assert done.returncode == 0, (command, done.stderr)
        assert expected in done.stdout + done.stderr, (command, done.stderr)
        assert "Traceback" not in done.stderr, command


def test_read_only_commands_work_in_read_only_folders(two_tracks: Beets) -> None:
    two_tracks.import_music()
    with read_only(two_tracks.root):
        run_all(two_tracks, COMMANDS | KNOWN)
        for command in (["genreclf", "--force"], ["genreclf-undo"], ["genreclf-cache", "--clear"]):
            done = run_as_a_user(two_tracks, *command)
            assert done.returncode == 1, command
            assert "Traceback" not in done.stderr, command
    assert len(two_tracks.field("genre_model")) == 2


def test_read_only_commands_work_without_journal_and_cache(two_tracks: Beets) -> None:
    two_tracks.settings["genreclf"]["auto"] = False
    two_tracks.import_music()
    similar = ("genreclf-similar", "title:a")
    commands = {command: output for command, output in COMMANDS.items() if command != similar}
    with read_only(two_tracks.root):
        run_all(two_tracks, {**commands, ("genreclf-undo", "--list"): "no runs recorded"})
