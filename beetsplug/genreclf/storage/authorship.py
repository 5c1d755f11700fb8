"""Whose the genres of a track or an album are: the plugin's, or the user's by a decision.

A decision of the user is a change in the database of the genres and of `genre_review`. The genres
are the user's from then on, whichever changes by the plugin came before. The same holds for other
fields that models predict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from beetsplug.genreclf.fields import GENRES, JOURNAL_ID, REVIEW
from beetsplug.genreclf.storage.journal import COMPACTED, Change, Journal
from beetsplug.genreclf.storage.value_comparison import same

GENRE_DECISION = (GENRES, REVIEW)  # the fields that a decision about genres sets


def after_decision(
    journal: Journal, changes: Sequence[Change], values: Mapping[str, Any]
) -> list[Change]:
    """Return the changes after the newest decision about genres; all if there is none.

    changes: newest first. values: of the track or album now.
    """

    def is_later(change: Change) -> bool:
        is_about_genres = GENRES in change.names and _is_decision(change)
        return not (is_about_genres and _was_made(journal, change, values))

    return [*takewhile(is_later, changes)]


def split_by_author(
    journal: Journal, changes: Sequence[Change], values: Mapping[str, Any]
) -> tuple[list[Change], list[Change]]:
    """Return the changes that can be undone while decisions stay, and the parts that are kept.

    The parts that a later decision has replaced are kept. They belong to the run of the decision
    from then on, so that undoing it restores the values from before all of them. The journal id
    belongs to the oldest decision.
    changes: newest first. values: of the track or album now, with the fields of all decisions.
    """
    undone: list[Change] = []
    kept: list[Change] = []
    decisions: dict[str, int] = {}  # the runs of the oldest ones so far, by the names of fields
    oldest: Change | None = None
    for change in changes:
        if _is_decision(change):
            if _was_made(journal, change, values) or change.names & decisions.keys():
                decisions |= dict.fromkeys(change.names, change.run)
                oldest = change
            else:
                undone.append(change)
        elif change.author == "plugin" and change.run != COMPACTED:
            part = change.only(decisions)
            rest = change.only(change.names - decisions.keys())
            if part.names:
                run = min(decisions[name] for name in part.names)
                kept.append(replace(part, run=run, author="user"))
            if oldest and (journal_id := rest.new.get(JOURNAL_ID)):
                kept.append(replace(oldest, new={**oldest.new, JOURNAL_ID: journal_id}))
            if rest.names or not part.names:
                undone.append(rest)
    return undone, kept


def _is_decision(change: Change) -> bool:
    """Return whether a change is a decision, rather than what `split_by_author` has kept."""
    if change.author != "user" or change.place != "database":
        return False
    return GENRES not in change.names or REVIEW in change.new or change.run == COMPACTED


def _was_made(journal: Journal, change: Change, values: Mapping[str, Any]) -> bool:
    return change.run == COMPACTED or not was_never_made(journal, change, values)


def was_never_made(journal: Journal, change: Change, values: Mapping[str, Any]) -> bool:
    """Return whether the process was killed between the journal and the database.

    Then all fields still have their old values. They also do where genres alone were given and
    the user has emptied them, but then no tags are waiting to be written to the file.
    """
    if any(not same(values.get(name), change.old.get(name)) for name in change.names):
        return False
    return change.names != {GENRES} or journal.is_write_pending(values[JOURNAL_ID])
