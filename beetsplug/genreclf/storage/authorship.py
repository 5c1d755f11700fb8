"""Whose the genres of a track or an album are: the plugin's, or the user's by a decision.

A decision of the user is a change in the database of the genres and of `genre_review`. The genres
are the user's from then on, whichever changes by the plugin came before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from beetsplug.genreclf.fields import GENRES, JOURNAL_ID, REVIEW
from beetsplug.genreclf.storage.journal import COMPACTED, Change, Journal
from beetsplug.genreclf.storage.value_comparison import same

DECIDED = (GENRES, REVIEW, JOURNAL_ID)  # without the journal id, a decision cannot be undone


def is_decision(journal: Journal, change: Change, values: Mapping[str, Any]) -> bool:
    """Return whether a change is a decision of the user that was made.

    values: of the track or album now.
    """
    if change.author != "user" or change.place != "database":
        return False
    if change.run == COMPACTED:
        return True
    return bool(change.new.get(REVIEW)) and not was_never_made(journal, change, values)


def after_decision(
    journal: Journal, changes: Sequence[Change], values: Mapping[str, Any]
) -> list[Change]:
    """Return the changes after the newest decision; all if there is none. changes: newest first."""
    return [*takewhile(lambda change: not is_decision(journal, change, values), changes)]


def split_by_author(
    journal: Journal, changes: Sequence[Change], values: Mapping[str, Any]
) -> tuple[list[Change], list[Change]]:
    """Return the changes by the plugin that can be undone without decisions, and the parts kept.

    The parts that a later decision has replaced are kept. They belong to the run of the decision
    from then on, so that undoing it restores the values from before all of them.
    changes: newest first.
    """
    undone: list[Change] = []
    kept: list[Change] = []
    decision: int | None = None
    for change in changes:
        if change.author == "user":
            decision = change.run if is_decision(journal, change, values) else decision
        elif change.run == COMPACTED:
            continue
        elif decision is None:
            undone.append(change)
        else:
            rest = change.only(change.names.difference(DECIDED))
            part = change.only(DECIDED)
            if part.names:
                kept.append(replace(part, run=decision, author="user"))
            if rest.names or not part.names:
                undone.append(rest)
    return undone, kept


def was_never_made(journal: Journal, change: Change, values: Mapping[str, Any]) -> bool:
    """Return whether the process was killed between the journal and the database.

    Then all fields still have their old values. They also do where genres alone were given and
    the user has emptied them, but then no tags are waiting to be written to the file.
    """
    if any(not same(values.get(name), change.old.get(name)) for name in change.names):
        return False
    return change.names != {GENRES} or journal.is_write_pending(values[JOURNAL_ID])
