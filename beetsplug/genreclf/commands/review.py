"""`beet genreclf --review`: ask which predictions to apply, album by album."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from beets import ui
from beets.library import Item

from beetsplug.genreclf.decisions import Decision, DecisionError, valid_genres
from beetsplug.genreclf.fields import GENRES
from beetsplug.genreclf.genres.labels import split
from beetsplug.genreclf.updates import Rules, Update, describe

_CHOICES: dict[str, Decision | Literal["skip", "quit"]] = {
    "a": "accept",
    "k": "keep",
    "s": "skip",
    "q": "quit",
}


class Answer(NamedTuple):
    """What the user decides about the updates of an album. genres: to set, for "correct"."""

    choice: Decision | Literal["skip", "quit"]
    genres: Sequence[str] = ()


def ask(updates: Sequence[Update]) -> Answer:
    """Show the updates of an album, an artist or a single track, and ask the user about them."""
    for update in sorted(updates, key=_album_first):
        indent = "  " if isinstance(update.obj, Item) else ""
        new = ", ".join(update.values[GENRES])
        shown = describe(replace(update, others=()))  # the question is about genres
        ui.print_(f"{indent}{shown}{f' -> {new}' if update.changes_genres else ''}")
    while True:
        key = ui.input_options(("Apply", "Keep mine", "Skip", "Edit", "Quit"))
        if choice := _CHOICES.get(key):
            return Answer(choice)
        if genres := _ask_genres():
            return Answer("correct", genres)


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
    while split(typed := ui.input_("genres, separated by semicolons; none to go back:")):
        try:
            return valid_genres(typed)
        except DecisionError as exc:
            ui.print_(str(exc))
    return []
