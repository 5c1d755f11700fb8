"""`beet genreclf --review`: ask the user which predictions to apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from beets import ui
from beets.library import Item

from beetsplug.genreclf.decisions import Decision, DecisionError, valid_labels
from beetsplug.genreclf.fields import GENRES, FieldSet
from beetsplug.genreclf.genres.labels import split
from beetsplug.genreclf.storage.objects import get_values
from beetsplug.genreclf.updates import Rules, Update, describe, describe_field

_CHOICES: dict[str, Decision | Literal["skip", "quit"]] = {
    "a": "accept",
    "k": "keep",
    "s": "skip",
    "q": "quit",
}


class Answer(NamedTuple):
    """The decision of the user about an album. labels: to set, for "correct"."""

    choice: Decision | Literal["skip", "quit"]
    labels: Sequence[str] = ()


def ask(updates: Sequence[Update]) -> Answer:
    """Show the updates of an album, an artist or a single track, and ask the user about them."""
    for update in sorted(updates, key=_album_first):
        indent = "  " if isinstance(update.obj, Item) else ""
        new = ", ".join(update.values[GENRES])
        shown = describe(replace(update, others=()))  # the question is about genres
        ui.print_(f"{indent}{shown}{f' -> {new}' if update.changes_genres else ''}")
    return _ask(GENRES)


def ask_about_field(tracks: Sequence[Item], own: FieldSet) -> Answer:
    """Show the predictions of another field, of tracks of an album, and ask the user about them."""
    for track in tracks:
        ui.print_(f"{track}: {describe_field(get_values(track), own)}")
    return _ask(own.source)


def keep_existing(update: Update, rules: Rules) -> Update:
    """Return an update that changes no genres but placeholders."""
    if rules.are_missing(update.obj.genres):
        return update
    return update.with_genres(update.obj.genres)


def _album_first(update: Update) -> tuple[int, bool]:
    obj = update.obj
    is_item = isinstance(obj, Item)
    return (obj.album_id if is_item else obj.id) or 0, is_item


def _ask(field: str) -> Answer:
    while True:
        key = ui.input_options(("Apply", "Keep mine", "Skip", "Edit", "Quit"))
        if choice := _CHOICES.get(key):
            return Answer(choice)
        if labels := _ask_labels(field):
            return Answer("correct", labels)


def _ask_labels(field: str) -> list[str]:
    """Ask for labels until they can be written, or none are given."""
    while split(typed := ui.input_(f"{field}, separated by semicolons; none to go back:")):
        try:
            return valid_labels(typed, field)
        except DecisionError as exc:
            ui.print_(str(exc))
    return []
