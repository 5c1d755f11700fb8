"""`beet genreclf --review`: ask which predictions to apply, album by album."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from beets import ui
from beets.library import Item

from beetsplug.genreclf.fields import GENRES
from beetsplug.genreclf.genres.labels import split
from beetsplug.genreclf.updates import Rules, Update, describe


class Answer(NamedTuple):
    """What the user decides about the updates of an album. genres: to set instead, for "edit"."""

    choice: Literal["apply", "skip", "edit", "quit"]
    genres: Sequence[str] = ()


def ask(updates: Sequence[Update]) -> Answer:
    """Show the updates of an album, an artist or a single track, and ask the user about them."""
    for update in sorted(updates, key=_album_first):
        indent = "  " if isinstance(update.obj, Item) else ""
        new = ", ".join(update.values[GENRES])
        ui.print_(f"{indent}{describe(update)}{f' -> {new}' if update.changes_genres else ''}")
    while True:
        key = ui.input_options(("Apply", "Skip", "Edit", "Quit"))
        if key == "a":
            return Answer("apply")
        if key == "s":
            return Answer("skip")
        if key == "q":
            return Answer("quit")
        if genres := _ask_genres():
            return Answer("edit", genres)


def keep_existing(update: Update, rules: Rules) -> Update:
    """Return an update that changes no genres but placeholders."""
    if rules.are_missing(update.obj.genres):
        return update
    return update.with_genres(update.obj.genres)


def _album_first(update: Update) -> tuple[int, bool]:
    obj = update.obj
    is_item = isinstance(obj, Item)
    return (obj.album_id if is_item else obj.id) or 0, is_item


def _ask_genres() -> list[str]:
    """Ask for genres until they can be written, or none are given."""
    from genremodel.display import has_control_characters

    while genres := split(ui.input_("genres, separated by semicolons; none to go back:")):
        refused = [name for name in genres if has_control_characters(name)]
        if not refused:
            return genres
        ui.print_(f"control characters are not allowed: {', '.join(map(repr, refused))}")
    return []
