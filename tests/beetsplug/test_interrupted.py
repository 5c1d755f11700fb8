"""An import that is killed before it has placed the files."""

from __future__ import annotations

import signal

import pytest

from tests.conftest import Beets
from tests.platforms import posix
from tests.tags import our_tags

# Kills beets in an import stage, before or after that of the plugin, or while it places a file.
DEADLY = """
import os, signal
from beets.plugins import BeetsPlugin

class DeadlyPlugin(BeetsPlugin):
    def __init__(self):
        super().__init__()
        self.config.add({"at": "stage"})
        if self.config["at"].get() == "stage":
            self.import_stages = [self.die]
        else:
            self.register_listener(self.config["at"].get(), self.die)

    def die(self, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)
"""

pytestmark = posix


def kill_import(beets: Beets, *plugins: str, at: str = "stage") -> None:
    (beets.root / "deadly.py").write_text(DEADLY)
    beets.settings |= {"pluginpath": str(beets.root), "plugins": [*plugins], "deadly": {"at": at}}
    done = beets.run("import", "-qA", str(beets.music))
    assert done.returncode == -signal.SIGKILL
    beets.settings["plugins"] = ["genreclf"]


@pytest.mark.parametrize(
    ("plugins", "at", "option"),
    [
        (("deadly", "genreclf"), "stage", "copy"),
        (("genreclf", "deadly"), "stage", "copy"),
        (("genreclf", "deadly"), "before_item_moved", "move"),
        (("genreclf", "deadly"), "item_moved", "move"),
    ],
)
def test_files_that_were_not_placed_are_not_written(
    beets: Beets, plugins: tuple[str, ...], at: str, option: str
) -> None:
    beets.settings["import"] = {option: True}
    source = beets.add("a.flac")
    before = source.read_bytes()
    kill_import(beets, *plugins, at=at)
    for options in ([], ["-f"], ["-w"]):
        done = beets.run("genreclf", *options)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(f"genreclf: {source}: skipped until its import has placed") == 1
        assert "0 abstained, 0 failed, 1 skipped" in done.stderr
        assert not source.exists() or source.read_bytes() == before
    if source.exists():
        beets.import_music()
        assert our_tags(beets.files()[0])
        assert "skipped" not in beets.run("genreclf").stderr


def test_track_that_is_removed_and_stays_where_it_is(beets: Beets) -> None:
    """What was written down of the interrupted import is not true of another one."""
    source = beets.add("a.flac")
    kill_import(beets, "genreclf", "deadly")
    beets("remove", "-f")
    beets.settings["import"] = {"copy": False}
    beets.settings["genreclf"]["auto"] = False
    beets.import_music()
    beets("genreclf")
    assert our_tags(source)


def test_import_that_leaves_files_where_they_are_has_nothing_to_place(beets: Beets) -> None:
    beets.settings["import"] = {"copy": False}
    source = beets.add("a.flac")
    kill_import(beets, "genreclf", "deadly")
    assert "skipped" not in beets.run("genreclf").stderr
    assert our_tags(source)
