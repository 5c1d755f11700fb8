"""Tracks whose journal_id is lost because they were removed from the library and imported again.

`genre_history`, the key to the journal, is a field of the library alone. The journal also knows the
path of each track, and the digest of its audio where the cache of analyses knows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from beets.library import Album, Item, Library
from beets.util import displayable_path

from beetsplug.genreclf import fields
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.values import is_absent, same


def has_prediction(model: Item | Album) -> bool:
    """Return whether a track or an album has fields that this plugin sets."""
    return not is_absent(fields.own_values(model).get(fields.MODEL))


def find_journal_id(journal: Journal, model: Item | Album, digest: bytes | None) -> str | None:
    """Return the journal_id of what was removed and imported again, if the journal has it.

    The last values in the journal must be present: for a track the model and the confidence, which
    its file keeps; for an album the genres, which it has from its first track.
    digest: of the track's audio, if known. Raises JournalError.
    """
    own = fields.own_values(model)
    signs = (fields.MODEL, fields.CONFIDENCE) if isinstance(model, Item) else (fields.GENRES,)
    if is_absent(own.get(signs[0])):
        return None
    for journal_id in journal.lost(name_in_journal(model), digest):
        given: dict[str, Any] = {}
        for change in reversed(journal.changes(journal_id)):
            if change.place == "database":
                given |= change.new
        fits = all(same(given.get(sign), own.get(sign)) for sign in signs)
        if fits and journal_id not in _used(model.db, model):
            return journal_id
    return None


def relink_lost(lib: Library, query: Sequence[str], journal: Journal) -> None:
    """Give the tracks of a query, and their albums, their histories again. Raises JournalError."""
    if not journal.path.exists():
        return
    with lib.transaction() as transaction:
        rows = transaction.query(
            "SELECT entity_id FROM item_attributes WHERE key = ? AND value != '' "
            "EXCEPT SELECT entity_id FROM item_attributes WHERE key = ? AND value != ''",
            (fields.MODEL, fields.HISTORY),
        )
    without = {id_ for (id_,) in rows}
    lost_audio = bool(without) and _has_lost_audio(lib, journal)
    for item in lib.items(query) if without else ():
        if item.id not in without:
            continue
        digest = _digest(item) if lost_audio else None
        with journal.lock():
            found = _give(journal, item, digest)
            album = item.get_album() if found else None
            if album and not fields.own_values(album).get(fields.HISTORY):
                _give(journal, album, None)


def name_in_journal(model: Item | Album) -> str:
    """Return the name of a track or an album in the journal."""
    return model.album if isinstance(model, Album) else displayable_path(model.path)


def _give(journal: Journal, model: Item | Album, digest: bytes | None) -> bool:
    journal_id = find_journal_id(journal, model, digest)
    if journal_id:
        model[fields.HISTORY] = journal_id
        fields.store(model)
    return bool(journal_id)


def _has_lost_audio(lib: Library, journal: Journal) -> bool:
    """Return whether the journal knows the audio of a track that is not in the library."""
    known = journal.read(
        "SELECT DISTINCT journal_id FROM recordings JOIN changes USING (journal_id) "
        "WHERE undone IS NULL AND digest IS NOT NULL"
    )
    return bool({journal_id for (journal_id,) in known} - _used(lib, Item()))


def _used(lib: Library, model: Item | Album) -> set[str]:
    """Return the histories of all tracks, or of all albums."""
    sql = f"SELECT value FROM {model._flex_table} WHERE key = ?"
    with lib.transaction() as transaction:
        return {journal_id for (journal_id,) in transaction.query(sql, (fields.HISTORY,))}


def _digest(item: Item) -> bytes | None:
    from genremodel.audio.digest import audio_digest

    try:
        return audio_digest(item.filepath)
    except OSError:
        return None
