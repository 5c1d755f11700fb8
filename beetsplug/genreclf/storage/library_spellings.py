"""How the tracks of a library spell genres, without the genres that the plugin gave them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from beets.dbcore import types
from beets.library import Library

from beetsplug.genreclf.fields import GENRES, JOURNAL_ID
from beetsplug.genreclf.genres.labels import split
from beetsplug.genreclf.genres.normalize import squash
from beetsplug.genreclf.genres.spelling import most_common
from beetsplug.genreclf.storage.journal import Change, Journal, revert
from beetsplug.genreclf.storage.journal_rows import change_values

# The changes of the genres of a track since the user's decision, if there is one, newest first: old
# and new genres as JSON, None if absent.
_History: TypeAlias = "tuple[tuple[str | None, str | None], ...]"

_TRACKS = f"""
SELECT genres, value FROM items
LEFT JOIN item_attributes ON entity_id = items.id AND key = '{JOURNAL_ID}'
WHERE genres != ''
"""
_CHANGES = f"""
SELECT journal_id, author, json_extract(old, '$.{GENRES}'), json_extract(new, '$.{GENRES}')
FROM changes
WHERE place = 'database' AND undone IS NULL
AND (instr(old, '"{GENRES}"') OR instr(new, '"{GENRES}"')) AND json_valid(old) AND json_valid(new)
ORDER BY id DESC
"""


class LibrarySpellings:
    """Finds the most common spelling of a genre among the tracks of a library.

    Tracks are enough: beets fills the `genres` of an album from them.
    """

    def __init__(self, lib: Library, journal: Journal) -> None:
        self._lib = lib
        self._journal = journal
        self._spellings: Mapping[str, str] = {}
        self._newest = 0  # id of the newest track when they were read

    def find(self, genre: str) -> str | None:
        """Return the most common spelling of a genre, None if no track has it.

        The library is read once, and again when an import has doubled it: the first import begins
        with an empty library. Raises JournalError.
        """
        ((newest,),) = self._query("SELECT COALESCE(MAX(id), 0) FROM items")
        if newest >= 2 * self._newest:
            self._newest = newest
            self._spellings = most_common(self._count())
        return self._spellings.get(squash(genre))

    def _count(self) -> Counter[str]:
        """Return the number of tracks by the spelling of their genres."""
        histories = self._histories()
        alike = Counter((genres, histories.get(key, ())) for genres, key in self._query(_TRACKS))
        counts = Counter[str]()
        for (genres, history), tracks in alike.items():
            counts.update(dict.fromkeys(_users_genres(genres, history), tracks))
        return counts

    def _histories(self) -> dict[str, _History]:
        histories: dict[str, _History] = {}
        decided = set[str]()
        for journal_id, author, old, new in self._journal.read(_CHANGES):
            if author == "user":
                decided.add(journal_id)
            elif journal_id not in decided:
                histories[journal_id] = (*histories.get(journal_id, ()), (old, new))
        return histories

    def _query(self, sql: str) -> Sequence[Any]:
        with self._lib.transaction() as transaction:
            return transaction.query(sql)


def _users_genres(genres: str, history: _History) -> Iterator[str]:
    """Yield the genres of a track that the plugin did not give it. genres: as beets stores them."""
    now = types.MULTI_VALUE_DSV.from_sql(genres)
    before, _ = revert({GENRES: now}, [*_changes(history)])
    for name in now:
        if name in before.get(GENRES, ()):
            yield from split(name)


def _changes(history: _History) -> Iterator[Change]:
    """Yield the changes of the genres alone, without damaged ones."""
    for texts in history:
        old, new = ("{}" if text is None else f'{{"{GENRES}": {text}}}' for text in texts)
        if values := change_values("database", old, new):
            yield Change(0, 0, "database", *values)
