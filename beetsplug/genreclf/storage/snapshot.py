"""A track or an album as it is, and what the journal knows of its genres. Nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from beets.library import Album, Item

from beetsplug.genreclf.fields import GENRES, JOURNAL_ID
from beetsplug.genreclf.storage.comparison import Values, is_absent, same
from beetsplug.genreclf.storage.journal import Change, Journal, Place, revert
from beetsplug.genreclf.storage.objects import get_values, is_synced


@dataclass(frozen=True)
class Snapshot:
    """A track or an album before an update.

    values: its fields. genres_before: its genres from before the plugin gave it one, or those of
    now where somebody has changed them since. was_emptied: somebody has emptied genres that the
    plugin gave. was_synced: the database knew all that the file has.
    """

    obj: Item | Album
    values: Values
    genres_before: list[str]
    was_emptied: bool
    was_synced: bool

    def with_item(self, item: Item, *, was_synced: bool | None = None) -> Snapshot:
        """Return the same snapshot with the item as it has become since."""
        synced = self.was_synced if was_synced is None else was_synced
        return replace(self, obj=item, was_synced=synced)


def take_snapshot(journal: Journal, obj: Item | Album) -> Snapshot:
    """Return a snapshot. Raises JournalError."""
    values = get_values(obj)
    changes = changes_in(journal, obj, "database")
    before, _ = revert(values, changes)
    return Snapshot(
        obj=obj,
        values=values,
        genres_before=[*before[GENRES]],
        was_emptied=not obj.genres and _were_given(journal, changes, values),
        was_synced=isinstance(obj, Item) and is_synced(obj),
    )


def genres_before(journal: Journal, obj: Item | Album) -> list[str]:
    """Return the genres from before the plugin, or those of now where somebody changed them."""
    before, _ = revert(get_values(obj), changes_in(journal, obj, "database"))
    return [*before[GENRES]]


def changes_in(journal: Journal, obj: Item | Album, place: Place) -> list[Change]:
    """Return the changes of a track or an album in the database or in its file, newest first."""
    journal_id = get_values(obj).get(JOURNAL_ID)
    changes = journal.changes(journal_id) if journal_id else []
    return [change for change in changes if change.place == place]


def _were_given(journal: Journal, changes: list[Change], values: Mapping[str, Any]) -> bool:
    """Return whether the newest change of the genres that was made has given some."""
    for change in changes:
        if GENRES in change.new and not _was_never_made(journal, change, values):
            return not is_absent(change.new[GENRES])
    return False


def _was_never_made(journal: Journal, change: Change, values: Mapping[str, Any]) -> bool:
    """Return whether the process was killed between the journal and the database.

    Then all fields still have their old values. They also do where genres alone were given and
    the user has emptied them, but then no tags are waiting to be written to the file.
    """
    if any(not same(values.get(name), change.old.get(name)) for name in change.names):
        return False
    return change.names != {GENRES} or journal.is_write_pending(values[JOURNAL_ID])
