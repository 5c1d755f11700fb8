"""A track or an album as it is, and what the journal knows of its genres. Nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from beets.library import Album, Item

from beetsplug.genreclf.fields import GENRES, JOURNAL_ID, REVIEW
from beetsplug.genreclf.storage.authorship import after_decision, was_never_made
from beetsplug.genreclf.storage.journal import Change, Journal, Place, revert
from beetsplug.genreclf.storage.lost_tracks import find_review
from beetsplug.genreclf.storage.objects import get_values, is_synced
from beetsplug.genreclf.storage.value_comparison import Values, is_absent


@dataclass(frozen=True)
class Snapshot:
    """A track or an album before an update.

    values: its fields. genres_before: its genres from before the plugin set any, or the present
    ones if they have been changed or decided on since. oldest_genres: those from before all changes
    in the journal, decisions too. was_emptied: it has no genres because of the user, who decided
    so, or emptied those that the plugin had set. was_synced: the database was up to date with the
    file.
    """

    obj: Item | Album
    values: Values
    genres_before: list[str]
    oldest_genres: list[str]
    was_emptied: bool
    was_synced: bool

    @property
    def review(self) -> str | None:
        """The decision of the user about the genres, if there is one."""
        return self.values.get(REVIEW) or None

    def with_item(self, item: Item, *, was_synced: bool | None = None) -> Snapshot:
        """Return the same snapshot with the item as it has become since."""
        synced = self.was_synced if was_synced is None else was_synced
        return replace(self, obj=item, was_synced=synced)


def take_snapshot(journal: Journal, obj: Item | Album, digest: bytes | None = None) -> Snapshot:
    """Return a snapshot. Raises JournalError.

    digest: of the audio of a track without a journal id, if known: it may have been removed and
    imported again, and its decision is in the journal.
    """
    values = get_values(obj)
    changes = changes_in(journal, obj, "database")
    if not values.get(JOURNAL_ID) and (review := find_review(journal, obj, digest)):
        values[REVIEW] = review
    before, _ = revert(values, after_decision(journal, changes, values))
    oldest, _ = revert(values, changes)
    no_genres = bool(values.get(REVIEW)) or _were_given(journal, changes, values)
    return Snapshot(
        obj=obj,
        values=values,
        genres_before=[*before[GENRES]],
        oldest_genres=[*oldest[GENRES]],
        was_emptied=not obj.genres and no_genres,
        was_synced=isinstance(obj, Item) and is_synced(obj),
    )


def genres_before(journal: Journal, obj: Item | Album) -> list[str]:
    """Return the genres from before the plugin, or the present ones if they are the user's."""
    values, changes = get_values(obj), changes_in(journal, obj, "database")
    before, _ = revert(values, after_decision(journal, changes, values))
    return [*before[GENRES]]


def changes_in(journal: Journal, obj: Item | Album, place: Place) -> list[Change]:
    """Return the changes of a track or an album in the database or in its file, newest first."""
    journal_id = get_values(obj).get(JOURNAL_ID)
    changes = journal.changes(journal_id) if journal_id else []
    return [change for change in changes if change.place == place]


def _were_given(journal: Journal, changes: Sequence[Change], values: Mapping[str, Any]) -> bool:
    """Return whether the newest change of the genres that was made has given some."""
    for change in changes:
        if GENRES in change.new and not was_never_made(journal, change, values):
            return not is_absent(change.new[GENRES])
    return False
