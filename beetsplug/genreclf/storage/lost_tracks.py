"""Find the journal ids of tracks that were removed from the library and imported again.

`genre_journal_id` is a field of the library alone. The journal also has the path of
each track, and the digest of its audio if the analysis cache had it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from beets.library import Album, Item, Library
from beets.util import displayable_path

from beetsplug.genreclf import fields
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.objects import get_values, save, stored_name
from beetsplug.genreclf.storage.value_comparison import is_absent, same

ObjectKey: TypeAlias = "tuple[type[Item | Album], int | None]"


def has_prediction(obj: Item | Album) -> bool:
    """Return whether a track or an album has a prediction of this plugin."""
    return not is_absent(get_values(obj).get(fields.MODEL))


def find_journal_id(journal: Journal, obj: Item | Album, digest: bytes | None) -> str | None:
    """Return the journal id of a track or an album that was removed and imported again.

    Its values must be the last ones in the journal: for a track the model and the confidence, which
    its file keeps; for an album the genres, which it has from its first track.
    digest: of the track's audio, if known. Raises JournalError.
    """
    return _find(journal, obj, digest)[0]


def find_review(journal: Journal, obj: Item | Album, digest: bytes | None) -> str | None:
    """Return the review that a track or an album had before it was removed, as `find_journal_id`.

    Raises JournalError.
    """
    return _find(journal, obj, digest)[1].get(fields.REVIEW) or None


def _find(
    journal: Journal, obj: Item | Album, digest: bytes | None
) -> tuple[str | None, dict[str, Any]]:
    """Return the journal id of a lost track or album, if there is one, and its last values."""
    own = get_values(obj)
    compared = (fields.MODEL, fields.CONFIDENCE) if isinstance(obj, Item) else (fields.GENRES,)
    if is_absent(own.get(compared[0])):
        return None, {}
    for journal_id in journal.lost(name_in_journal(obj), digest):
        last: dict[str, Any] = {}
        for change in reversed(journal.changes(journal_id)):
            if change.place == "database":
                last |= {name: change.new.get(name) for name in change.names}
        matches = all(same(last.get(name), own.get(name)) for name in compared)
        if matches and journal_id not in _used_ids(obj.db, obj):
            return journal_id, last
    return None, {}


def find_lost(lib: Library, items: Iterable[Item], journal: Journal) -> dict[ObjectKey, str]:
    """Return the journal ids of lost tracks and of their albums. Raises JournalError."""
    return {
        object_key(obj): journal_id
        for item, digest in _without_journal_id(lib, items, journal)
        for obj, journal_id in _found(journal, item, digest)
    }


def relink_lost(lib: Library, items: Iterable[Item], journal: Journal) -> None:
    """Store the journal ids of lost tracks and of their albums. Raises JournalError."""
    for item, digest in _without_journal_id(lib, items, journal):
        with journal.lock():
            for obj, journal_id in _found(journal, item, digest):
                obj[stored_name(obj, fields.JOURNAL_ID)] = journal_id
                save(obj)


def object_key(obj: Item | Album) -> ObjectKey:
    """Return what identifies a track or an album of a library."""
    return type(obj), obj.id


def name_in_journal(obj: Item | Album) -> str:
    """Return the name of a track or an album in the journal."""
    return obj.album if isinstance(obj, Album) else displayable_path(obj.path)


def _without_journal_id(
    lib: Library, items: Iterable[Item], journal: Journal
) -> Iterator[tuple[Item, bytes | None]]:
    """Yield the tracks that have a prediction but no journal id, and the digest of their audio."""
    if not journal.path.exists():
        return
    with lib.transaction() as transaction:
        rows = transaction.query(
            "SELECT entity_id FROM item_attributes WHERE key = ? AND value != '' "
            "EXCEPT SELECT entity_id FROM item_attributes WHERE key = ? AND value != ''",
            (fields.MODEL, fields.JOURNAL_ID),
        )
    without = {id_ for (id_,) in rows}
    lost_audio = bool(without) and _has_lost_audio(lib, journal)
    for item in items if without else ():
        if item.id in without:
            yield item, _digest(item) if lost_audio else None


def _found(
    journal: Journal, item: Item, digest: bytes | None
) -> Iterator[tuple[Item | Album, str]]:
    """Yield a lost track, and its album if it has no journal id, with their journal ids."""
    journal_id = find_journal_id(journal, item, digest)
    if not journal_id:
        return
    yield item, journal_id
    album = item.get_album()
    if album and not get_values(album).get(fields.JOURNAL_ID):
        of_album = find_journal_id(journal, album, None)
        if of_album:
            yield album, of_album


def _has_lost_audio(lib: Library, journal: Journal) -> bool:
    """Return whether the journal has the audio of a track that is not in the library."""
    known = journal.read(
        "SELECT DISTINCT journal_id FROM recordings JOIN changes USING (journal_id) "
        "WHERE undone IS NULL AND digest IS NOT NULL"
    )
    return bool({journal_id for (journal_id,) in known} - _used_ids(lib, Item()))


def _used_ids(lib: Library, obj: Item | Album) -> set[str]:
    """Return the journal ids of all tracks, or of all albums."""
    sql = f"SELECT value FROM {obj._flex_table} WHERE key = ?"
    key = stored_name(obj, fields.JOURNAL_ID)
    with lib.transaction() as transaction:
        return {journal_id for (journal_id,) in transaction.query(sql, (key,))}


def _digest(item: Item) -> bytes | None:
    from genremodel.audio.digest import audio_digest  # slow to import

    try:
        return audio_digest(item.filepath)
    except OSError:
        return None
