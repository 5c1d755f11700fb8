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
from beetsplug.genreclf.commands.classify import Retag
from beetsplug.genreclf.genres.labels import split
from beetsplug.genreclf.storage.tag_file import reason
from beetsplug.genreclf.tagging import Update
from genremodel.display import has_control_characters


class Suggest(Retag):
    """Shows what the tracks of an album would get, asks, and changes what the user agrees to.

    Tracks and albums that have genres keep them, whatever the policy.
    """

    outcomes: ClassVar = [*Retag.outcomes, "edited", "skipped"]

    def run(self, lib: Library, query: Sequence[str]) -> int:
        """Do it until the user has enough, and count; return how many tracks failed."""
        try:
            return super().run(lib, query)
        except _Enough:
            return self._counts["failed"]

    def _wanted(self, album: Album | None, asked: list[Item]) -> list[Item] | None:
        return [track for track in asked if self._tagger.has_no_genres(track)] or None

    def _unfilled(
        self, album: Album | None, asked: list[Item], wanted: list[Item] | None
    ) -> list[Item | Album]:
        return []  # all tracks without genres are wanted

    def _is_unwritten(self, track: Item) -> bool:
        return False  # nobody was asked about the others

    def _agree(self, updates: list[Update]) -> None:
        tracks = [update for update in updates if isinstance(update.model, Item)]
        if not any(update.outcome == "written" for update in tracks):
            self._counts.update(update.outcome for update in tracks)
            return
        for update in sorted(updates, key=lambda update: isinstance(update.model, Item)):
            indent = "  " if isinstance(update.model, Item) else ""
            new = ", ".join(update.values[fields.GENRES])
            gives = f" -> {new}" if update.outcome == "written" else ""
            ui.print_(f"{indent}{update}{gives}")
        answer, genres = _ask()
        if answer == "q":
            raise _Enough
        if answer == "s":
            self._counts["skipped"] += len(tracks)
        elif answer == "e":
            self._edit(updates, genres)
        else:
            super()._agree(updates)

    def _edit(self, updates: list[Update], genres: list[str]) -> None:
        """Give genres, which are then the user's own; what was heard is kept beside them."""
        for update in updates:
            if self._tagger.has_no_genres(update.model):
                try:
                    with self._tagger.lock():
                        if self._tagger.is_stale(update.model):
                            self._leave(update)
                            continue
                        self._tagger.correct(update.model, genres, write=self._mode.write)
                except (UnreadableFileError, OSError) as exc:
                    self._fail(f"{displayable_path(update.model.path)}: {reason(exc)}")
                    continue
                values = {**update.values, fields.GENRES: genres}
                update = replace(update, genre=None, before=genres, values=values)
            self._apply(update, "edited")

    def _sparing(self, update: Update) -> Update:
        """Return an update that changes no genres that there are."""
        if self._tagger.has_no_genres(update.model):
            return update
        return update.with_genres(update.model.genres)


def _ask() -> tuple[str, list[str]]:
    """Ask what is to be done, and for the genres that are to be given instead, if any."""
    while True:
        answer = ui.input_options(("Apply", "Skip", "Edit", "Quit"))
        if answer != "e":
            return answer, []
        while genres := split(ui.input_("genres, separated by semicolons; none to go back:")):
            refused = [name for name in genres if has_control_characters(name)]
            if not refused:
                return answer, genres
            ui.print_(f"not possible, control characters: {', '.join(map(repr, refused))}")


class _Enough(Exception):
    """The user wants no more suggestions."""
