"""`beet genreclf --suggest`: genres for tracks that have none, where the user agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from beets import ui
from beets.library import Album, Item, Library
from beets.util import displayable_path
from mediafile import UnreadableFileError

from beetsplug.genreclf import fields
from beetsplug.genreclf.labels import split
from beetsplug.genreclf.retag import Retag
from beetsplug.genreclf.tagging import Update


class Suggest(Retag):
    """Shows what the tracks of an album would get, asks, and changes what the user agrees to."""

    outcomes: ClassVar = [*Retag.outcomes, "skipped"]

    def run(self, lib: Library, query: Sequence[str]) -> int:
        """Do it until the user has enough, and count; return how many tracks failed."""
        try:
            return super().run(lib, query)
        except _Enough:
            return self._counts["failed"]

    def _wanted(self, album: Album | None, asked: list[Item]) -> list[Item] | None:
        return [track for track in asked if not track.genres] or None

    def _agree(self, updates: list[Update]) -> None:
        outcomes = [update.outcome for update in updates if isinstance(update.model, Item)]
        if "written" not in outcomes:
            self._counts.update(outcomes)
            return
        for update in sorted(updates, key=lambda update: isinstance(update.model, Item)):
            ui.print_(f"  {update}" if isinstance(update.model, Item) else f"{update}")
        answer = ui.input_options(("Apply", "Skip", "Edit", "Quit"))
        if answer == "q":
            raise _Enough
        if answer == "s":
            self._counts["skipped"] += len(outcomes)
        elif answer == "e":
            self._edit(updates)
        else:
            super()._agree(updates)

    def _edit(self, updates: list[Update]) -> None:
        """Ask for genres, which are then the user's own; what was heard is kept beside them."""
        genres: list[str] = []
        while not genres:
            genres = split(ui.input_("genres of these tracks, separated by semicolons:"))
        for update in updates:
            unchanged = {**update.values, fields.GENRES: update.model.genres}
            self._apply(replace(update, values=unchanged))
            try:
                self._tagger.correct(update.model, genres, write=self._mode.write)
            except (UnreadableFileError, OSError) as exc:
                self._fail(f"{displayable_path(update.model.path)}: {exc}")


class _Enough(Exception):
    """The user wants no more suggestions."""
