"""Other plugins take part in the plugin's writes, and never meet its errors."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from mediafile import MediaFile

from tests.conftest import Beets
from tests.tags import our_tags, plain_tags
from tests.variants import variants

# Stores a checksum of the file and keeps its time, as plugins for both do; notes every event.
WITNESS = """
    import hashlib, json, os
    from pathlib import Path
    from beets.plugins import BeetsPlugin

    class WitnessPlugin(BeetsPlugin):
        def __init__(self):
            super().__init__()
            self.register_listener("write", self.before)
            self.register_listener("after_write", self.after)
            self.time = 0

        def note(self, event, item, **facts):
            with open(os.environ["WITNESS"], "a") as file:
                print(json.dumps({"event": event, "title": item.title, **facts}), file=file)

        def before(self, item, path, tags):
            self.time = os.stat(path).st_mtime
            self.note("write", item, tags=sorted(tags), artist=tags["artist"])

        def after(self, item, path):
            os.utime(path, (self.time, self.time))
            item.mtime = self.time
            item["checksum"] = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest()
            self.note("after_write", item, time=self.time)
"""
# Fails, or refuses, at the writes of tracks whose title says so.
TROUBLE = """
    from beets.library import WriteError
    from beets.plugins import BeetsPlugin

    class TroublePlugin(BeetsPlugin):
        def __init__(self):
            super().__init__()
            self.register_listener("write", self.before)
            self.register_listener("after_write", self.after)

        def before(self, item, path, tags):
            if item.title == "refused":
                raise WriteError(path, ValueError("hands off"))
            if item.title == "broken":
                raise LookupError("no such thing")
            if item.title == "odd":
                tags["genres"] = 5

        def after(self, item, path):
            if item.title == "late":
                raise LookupError("too late")
"""


def witnessed(beets: Beets) -> list[dict[str, Any]]:
    """Return the events since the last call."""
    file = Path(beets.environment["WITNESS"])
    events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    file.unlink(missing_ok=True)
    return events


@pytest.mark.parametrize("first", variants([True, False], default=[False]))
def test_every_write_sends_both_events(first: bool, beets: Beets) -> None:
    """On import, by the command, by undo, and after a review; stored checksums stay true."""
    beets.environment["WITNESS"] = str(beets.root / "events")
    beets.settings["genreclf"] |= {"min_confidence": 0}
    beets.install(first=first, witness=WITNESS)
    path = beets.add("a.flac")
    media = MediaFile(path)
    media.artist = "someone"
    media.save()

    def check() -> None:
        before, after = witnessed(beets)
        assert (before["event"], after["event"]) == ("write", "after_write")
        assert before["artist"] == "someone"
        assert {"title", "album", "predicted_genre", "genre_confidence"} <= {*before["tags"]}
        (file,) = beets.files()
        assert beets.field("checksum") == [hashlib.sha256(file.read_bytes()).hexdigest()]
        assert file.stat().st_mtime == pytest.approx(after["time"], abs=1e-3)
        assert beets("update") == "", "the database knows the file"

    beets.import_music()
    check()
    assert our_tags(beets.files()[0])["predicted_genre"]
    beets("genreclf")
    beets("genreclf", "-f")
    assert witnessed(beets) == [], "no change, no event"
    beets("genreclf-undo")
    check()
    assert our_tags(beets.files()[0]) == {}
    beets.settings["genreclf"]["policy"] = "never"
    beets("genreclf")
    check()
    beets.settings["genreclf"]["policy"] = "fill"
    done = beets.run("genreclf", "--review", stdin="e\nTango\n")
    assert done.returncode == 0, done.stderr
    check()
    assert plain_tags(beets.files()[0])["genre"] == ["Tango"]


def test_failing_listeners_affect_single_files(beets: Beets) -> None:
    beets.install(trouble=TROUBLE)
    beets.settings["genreclf"]["auto"] = False
    for seed, name in enumerate(["broken", "fine", "late", "odd", "refused"]):
        beets.add(f"album/{name}.flac", seed=seed)
    beets.import_music()
    before = {path.name: path.read_bytes() for path in beets.files()}
    done = beets.run("genreclf")
    assert done.returncode == 1
    assert "refused.flac: refused by another plugin: hands off" in done.stderr
    assert "broken.flac: another plugin failed at `write`: LookupError: no such" in done.stderr
    assert "odd.flac: another plugin set `genres` to an invalid value: 5" in done.stderr
    assert "late.flac: another plugin failed at `after_write`: LookupError: too" in done.stderr
    assert "4 failed" in done.stderr
    assert "Traceback" not in done.stderr
    for path in beets.files():
        written = "genre_model" in our_tags(path)
        assert written == ("fine" in path.name or "late" in path.name)
        assert written or path.read_bytes() == before[path.name]
    beets.install()
    beets("genreclf")  # those that were refused are tried again
    assert all("genre_model" in our_tags(path) for path in beets.files())

    beets.install(trouble=TROUBLE)
    done = beets.run("genreclf-undo")
    assert done.returncode == 1
    assert "4 failed" in done.stderr
    assert "refused.flac: refused by another plugin: hands off" in done.stderr
    assert [bool(our_tags(path)) for path in beets.files()] == [True, False, False, True, True]
    assert beets.field("title", "genre_model:bundled") == ["broken", "odd", "refused"]


def test_failing_listeners_do_not_stop_an_import(beets: Beets) -> None:
    beets.install(trouble=TROUBLE)
    for seed, name in enumerate(["broken", "fine", "refused"]):
        beets.add(f"album/{name}.flac", seed=seed)
    done = beets.run("import", "-qA", str(beets.music))
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "refused.flac: refused by another plugin: hands off" in done.stderr
    assert "broken.flac: another plugin failed" in done.stderr
    assert len(beets.field("title")) == 3
    assert [bool(our_tags(path)) for path in beets.files()] == [False, True, False]


def test_listeners_may_run_beet(beets: Beets) -> None:
    """The command waits for nothing that waits for it."""
    caller = """
        import os, subprocess, sys
        from beets.plugins import BeetsPlugin

        class CallerPlugin(BeetsPlugin):
            def __init__(self):
                super().__init__()
                if "CALLED" not in os.environ:
                    for event in ("write", "after_write"):
                        self.register_listener(event, self.call)

            def call(self, item):
                command = [sys.executable, "-m", "beets", "ls", f"id:{item.id}"]
                environment = {**os.environ, "CALLED": "1"}
                subprocess.run(command, env=environment, check=True, timeout=100)
    """
    beets.install(caller=caller)
    beets.add("album/one.flac")
    done = beets.run("import", "-qA", str(beets.music))
    assert done.returncode == 0
    assert "another plugin failed" not in done.stderr
    assert all("genre_model" in our_tags(path) for path in beets.files())


def test_listeners_may_write_stored_items(beets: Beets) -> None:
    """Then our handlers are entered while another one, or our import stage, runs."""
    sync = """
        from beets.library import Item
        from beets.plugins import BeetsPlugin

        class SyncPlugin(BeetsPlugin):
            def __init__(self):
                super().__init__()
                self.register_listener("database_change", self.changed)

            def changed(self, lib, model):
                if isinstance(model, Item):
                    model.try_write()
    """
    beets.install(sync=sync)
    beets.add("album/a.flac")
    beets.add("album/b.flac", seed=1)
    done = beets.run("import", "-qA", str(beets.music))
    assert done.returncode == 0
    assert "genreclf:" not in done.stderr
    assert all(beets.field("genre_model"))
    assert all("genre_model" in our_tags(path) for path in beets.files())
    beets("genreclf-undo")
    assert [our_tags(path) for path in beets.files()] == [{}, {}]


def test_absent_values_are_not_changes(beets: Beets) -> None:
    """Of a silent track most fields are empty: beets reads them back as none."""
    beets.settings["genreclf"]["write"] = True
    beets.add("a.ape")  # silence
    beets.import_music()
    (path,) = beets.files()
    os.utime(path, (time.time() + 9, time.time() + 9))
    assert not re.search("genre|styles", beets("update"))
    done = beets.run("genreclf-undo")
    assert done.returncode == 0
    assert "changed since" not in done.stderr
    (path,) = beets.files()
    os.utime(path, (time.time() + 99, time.time() + 99))
    assert not re.search("genre|styles", beets("update"))


def test_beets_writes_if_the_journal_is_damaged(beets: Beets) -> None:
    """One warning, and the tags that beets wrote count as changed since."""
    beets.settings["genreclf"] |= {"min_confidence": 0}
    for number in range(3):
        beets.add(f"{number}.flac", seed=number)
    beets.import_music()
    journal = beets.root / "library.genre-journal.db"
    content = journal.read_bytes()
    journal.write_bytes(b"nonsense" * 1000)
    done = beets.run("modify", "-y", "genres=Tango", "predicted_genre=tango")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("library.genre-journal.db") == 1
    assert "not recorded" in done.stderr
    for path in beets.files():
        assert plain_tags(path)["genre"] == ["Tango"]
        assert our_tags(path)["predicted_genre"] == "tango"
    journal.write_bytes(content)
    done = beets.run("genreclf-undo")
    assert done.stderr.count("not restored, changed since: genres, predicted_genre") == 3

    journal.unlink()  # the advice for a damaged one
    beets("modify", "-y", "title=other")
    beets("write")


def test_import_errors_are_reported_at_the_end(beets: Beets) -> None:
    """It would meet a question on the screen. This holds without `auto` as well."""
    ending = """
        import sys
        from beets.plugins import BeetsPlugin

        class EndingPlugin(BeetsPlugin):
            def __init__(self):
                super().__init__()
                self.register_listener("import", lambda lib, paths: print("ended", file=sys.stderr))
    """
    beets.add("album/a.flac")
    beets.import_music()
    (beets.root / "library.genre-journal.db").write_bytes(b"nonsense" * 1000)
    beets.settings["genreclf"]["auto"] = False
    beets.install("scrub", first=True, ending=ending)
    done = beets.run("import", "--quiet", "--noautotag", str(beets.library))
    assert done.returncode == 0
    printed = done.stderr[done.stderr.index("ended") :]
    assert "not recorded" in printed
    assert done.stderr.count("genreclf:") == printed.count("genreclf:")


def test_second_instance_in_one_process(tmp_path: Path) -> None:
    """Servers and test helpers load plugins again, with another configuration."""
    script = """
        import beets, beets.plugins
        from beets.library import Item, Library
        from beetsplug.genreclf import GenreClfPlugin
        from mediafile import MediaFile

        GenreClfPlugin()
        beets.config.clear()
        beets.config.read(user=False)
        second = GenreClfPlugin()
        beets.config.clear()
        beets.config.read(user=False)
        context = second.context
        assert not context.config().always_writes()
        lib, other = Library(":memory:"), Library(":memory:")
        assert context.journal(lib) is context.journal(lib)
        assert context.journal(lib) is not context.journal(other)
        item = Item(title="a", genres=["Old"])
        lib.add(item)
        beets.plugins.send("write", item=item, path=b"", tags={"genres": ["Old"]})
        names = {"predicted_genre", "genre_confidence", "genre_model", "predicted_styles"}
        assert names <= Item._media_fields
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(script)],
        env={**os.environ, "BEETSDIR": str(tmp_path)},
        cwd=tmp_path,  # beets puts backups of a library in memory there
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
