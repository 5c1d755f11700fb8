"""Read and store the plugin's fields of tracks and albums, by the names that tracks use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from beets.library import Album, Item

from beetsplug.genreclf.fields import ALBUM_NAMES, GENRES, MANAGED_FIELDS, SOURCE_TYPES
from beetsplug.genreclf.storage.value_comparison import Values


def stored_name(obj: Item | Album, name: str) -> str:
    """Return the name that a field has in the database of beets."""
    return ALBUM_NAMES[name] if isinstance(obj, Album) else name


def get_values(obj: Item | Album, names: Iterable[str] | None = None) -> Values:
    """Return the fields that a track, its album aside, or an album has. names: all by default."""
    present = obj.keys(with_album=False) if isinstance(obj, Item) else obj.keys()
    if names is None:
        names = MANAGED_FIELDS if isinstance(obj, Item) else ALBUM_NAMES
    values = {name: obj[key] for name in names if (key := stored_name(obj, name)) in present}
    for name in values.keys() & SOURCE_TYPES.keys():  # beets has no type where a model was deleted
        values[name] = SOURCE_TYPES[name].from_sql(values[name])
    return values


def replace_values(
    obj: Item | Album, values: Mapping[str, Any], names: Iterable[str] | None = None
) -> None:
    """Set the fields of a track or an album to `values`, and remove all others of the plugin.

    names: of the fields that are removed if `values` lacks them, as for `get_values`.
    """
    for name in get_values(obj, names).keys() - values.keys():
        del obj[stored_name(obj, name)]
    for name, value in values.items():
        key = stored_name(obj, name)
        obj[key] = value
        if value is None and name != GENRES:
            obj._dirty.add(key)  # beets stores None only where it replaces another value


def reload(obj: Item | Album) -> Item | Album | None:
    """Return a track or an album as the database has it now, or None if it has been removed."""
    assert obj.id is not None  # it has been in the library
    return obj.db.get_album(obj.id) if isinstance(obj, Album) else obj.db.get_item(obj.id)


def save(obj: Item | Album) -> None:
    """Store a track or an album, without handing the fields of the album down to its tracks."""
    if isinstance(obj, Album):
        obj.store(inherit=False)
    else:
        obj.store()


def is_synced(item: Item) -> bool:
    """Return whether the database has read the file since it was last changed."""
    try:
        return item.current_mtime() <= item.mtime
    except OSError:
        return False
