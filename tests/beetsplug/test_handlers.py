"""Event handlers: the arguments and errors that they accept."""

from __future__ import annotations

import pytest

from beetsplug.genreclf.handlers import contained
from tests.conftest import Beets


def test_incomplete_events_are_ignored(beets: Beets) -> None:
    """Other code sends events with fewer arguments than beets, or with more."""
    odd = """
        from beets import plugins
        from beets.plugins import BeetsPlugin
        from beets.ui import Subcommand

        class OddPlugin(BeetsPlugin):
            def commands(self):
                command = Subcommand("odd")
                command.func = self.send
                return [command]

            def send(self, lib, options, arguments):
                events = ["write", "after_write", "import_begin", "import_task_files", "import"]
                events += ["item_moved", "item_copied", "item_linked", "library_opened", "cli_exit"]
                for event in events:
                    plugins.send(event)
                item = lib.items().get()
                for number in range(2):
                    plugins.send("write", item=item, path=item.path, tags={}, more=number)
                    plugins.send("write", item=item, tags={})
                del item["predicted_genre"]
                item.remove()
                plugins.send("write", item=item, path=item.path, tags={})
    """
    beets.install(odd=odd)
    beets.add("a.flac")
    beets.import_music()
    done = beets.run("odd")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class Reporter:
    def __init__(self) -> None:
        self.reported: list[str] = []

    def report_failure(self, what: str, error: Exception) -> None:
        self.reported.append(f"{what}: {error}")

    @contained(KeyError)
    def handle(self, error: BaseException) -> None:
        raise error


def test_handlers_raise_only_named_errors() -> None:
    reporter = Reporter()
    reporter.handle(error=ValueError("odd"))
    reporter.handle(error=AssertionError("odder"), more=1)
    assert reporter.reported == ["handle: odd", "handle: odder"]
    with pytest.raises(KeyError):
        reporter.handle(error=KeyError("meant"))
    with pytest.raises(KeyboardInterrupt):
        reporter.handle(error=KeyboardInterrupt())
