"""Whose the genres of a track or an album are: the plugin's, or the user's by a decision.

A decision of the user is a change in the database of the genres and of `genre_review`. The genres
are the user's from then on, whichever changes by the plugin came before. So it is with other fields
than `genres` that models predict.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from beetsplug.genreclf.fields import GENRES, JOURNAL_ID, REVIEW
from beetsplug.genreclf.storage.journal import COMPACTED, Change, Journal
from beetsplug.genreclf.storage.value_comparison import same

GENRE_DECISION = (GENRES, REVIEW, JOURNAL_ID)  # the fields that a decision about genres is


def is_genre_decision(journal: Journal, change: Change, values: Mapping[str, Any]) -> bool:
    """Return whether a change is a decision of the user about genres that was made.

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
    """Return the changes after the newest decision about genres; all if there is none.

    changes: newest first.
    """
    return [*takewhile(lambda change: not is_genre_decision(journal, change, values), changes)]


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
    decisions: dict[str, int] = {}  # the runs of the oldest ones so far, by the names of fields
    for change in changes:
        if change.author == "user":
            decisions |= dict.fromkeys(_decided(journal, change, values), change.run)
        elif change.run == COMPACTED:
            continue
        else:
            part = change.only(decisions)
            rest = change.only(change.names - decisions.keys())
            if part.names:
                run = min(decisions[name] for name in part.names)
                kept.append(replace(part, run=run, author="user"))
            if rest.names or not part.names:
                undone.append(rest)
    return undone, kept


def _decided(journal: Journal, change: Change, values: Mapping[str, Any]) -> Collection[str]:
    """Return the names of the fields that the user has decided on by a change."""
    if is_genre_decision(journal, change, values):
        return GENRE_DECISION
    is_made = change.place == "database" and not was_never_made(journal, change, values)
    return change.names if is_made else ()


def was_never_made(journal: Journal, change: Change, values: Mapping[str, Any]) -> bool:
    """Return whether the process was killed between the journal and the database.

    Then all fields still have their old values. They also do where genres alone were given and
    the user has emptied them, but then no tags are waiting to be written to the file.
    """
    if any(not same(values.get(name), change.old.get(name)) for name in change.names):
        return False
    return change.names != {GENRES} or journal.is_write_pending(values[JOURNAL_ID])
