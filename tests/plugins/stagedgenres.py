"""A beets plugin for tests: sets the genres of every imported track in an import stage."""

from __future__ import annotations

from beets.importer import ImportSession, ImportTask
from beets.plugins import BeetsPlugin

GENRES = ["Staged"]


class StagedGenresPlugin(BeetsPlugin):
    """Does what lastgenre does, without a network."""

    def __init__(self) -> None:
        super().__init__()
        self.import_stages = [self.imported]

    def imported(self, session: ImportSession, task: ImportTask) -> None:
        """Set the genres in the database."""
        for item in task.imported_items():
            item.genres = GENRES
            item.store()
