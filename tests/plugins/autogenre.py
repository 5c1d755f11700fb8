"""A beets plugin for tests, named like one that sets genres: it has an option `auto`."""

from __future__ import annotations

from beets.importer import ImportSession, ImportTask
from beets.plugins import BeetsPlugin


class AutoGenrePlugin(BeetsPlugin):
    """Sets the genres of every imported track in an import stage, unless `auto` is off."""

    def __init__(self) -> None:
        super().__init__()
        self.config.add({"auto": True})
        if self.config["auto"]:
            self.import_stages = [self.imported]

    def imported(self, session: ImportSession, task: ImportTask) -> None:
        """Set the genres in the database."""
        for item in task.imported_items():
            item.genres = ["Looked Up"]
            item.store()
