"""Delete old changes from the journal, to limit its size."""

from __future__ import annotations

import json
from typing import Any

from beetsplug.genreclf.fields import GENRES
from beetsplug.genreclf.storage.journal import COMPACTED, Journal
from beetsplug.genreclf.storage.journal_rows import change_values
from beetsplug.genreclf.storage.value_comparison import same

_COUNT = "SELECT COUNT(*) FROM changes WHERE run IS NOT ?"
# The oldest changes of each track or album: newer ones can still be undone without them. The user's
# newest decision, and what came after it, stays.
_OLDEST = """
WITH decisions AS (
    SELECT journal_id, MIN(id) AS first FROM changes
    WHERE author = 'user' AND undone IS NULL AND run = (
        SELECT run FROM changes AS newest WHERE newest.journal_id = changes.journal_id
        AND newest.author = 'user' AND newest.undone IS NULL ORDER BY newest.id DESC LIMIT 1
    ) GROUP BY journal_id
)
SELECT id, journal_id, place, old, new FROM changes LEFT JOIN decisions USING (journal_id)
WHERE time < ?1 AND undone IS NULL AND (first IS NULL OR id < first) AND NOT EXISTS (
    SELECT 1 FROM changes AS earlier WHERE earlier.journal_id = changes.journal_id
    AND earlier.undone IS NULL AND earlier.id < changes.id AND earlier.time >= ?1
) ORDER BY id
"""


def compact(journal: Journal, before: float) -> int:
    """Delete the changes before a time; return how many. They can no longer be undone.

    The genres that the plugin set stay recorded, because they are not the user's: later predictions
    replace them, and models are not trained on them. The newest decision of the user on each track
    or album can still be undone.
    before: seconds since the epoch. Raises JournalError, and then nothing is deleted.
    """
    count = journal.read(_COUNT, (COMPACTED,))[0][0] if journal.path.exists() else 0
    old_ids: list[int] = []
    genres: dict[tuple[str, str], tuple[int, Any, Any]] = {}  # last id, oldest and newest genres
    for id_, journal_id, place, *texts in journal.read(_OLDEST, (before,)):
        old_ids.append(id_)
        old, new = change_values(place, *texts) or ({}, {})
        if GENRES in {*old, *new}:
            first = genres.get((journal_id, place))
            genres[journal_id, place] = id_, first[1] if first else old.get(GENRES), new.get(GENRES)
    kept = {id_: values for id_, *values in genres.values() if not same(*values)}
    journal.write(
        ("DELETE FROM changes WHERE time < ? AND undone IS NOT NULL", [(before,)]),
        ("DELETE FROM changes WHERE id = ?", [(id_,) for id_ in old_ids if id_ not in kept]),
        (
            "UPDATE changes SET run = ?, old = ?, new = ? WHERE id = ?",
            [
                (COMPACTED, *(_genres(value) for value in values), id_)
                for id_, values in kept.items()
            ],
        ),
        ("DELETE FROM runs WHERE id NOT IN (SELECT run FROM changes)", [()]),
        ("DELETE FROM recordings WHERE journal_id NOT IN (SELECT journal_id FROM changes)", [()]),
    )
    left: int = journal.read(_COUNT, (COMPACTED,))[0][0]
    if left < count:
        journal.read("VACUUM")
    return count - left


def _genres(value: Any) -> str:
    return json.dumps({} if value is None else {GENRES: value})
