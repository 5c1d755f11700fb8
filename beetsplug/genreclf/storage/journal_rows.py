"""Validate rows of the journal as they are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TypeGuard

from beetsplug.genreclf import fields
from beetsplug.genreclf.storage.value_comparison import Values, is_absent

_YEAR_10000 = 253402300800
_ENCODINGS = range(4)  # of a text in ID3


def change_values(place: object, old: object, new: object) -> tuple[Values, Values] | None:
    """Return the old and the new values of a change, or None if the row is damaged."""
    is_valid = _PLACES.get(place) if isinstance(place, str) else None
    before, after = _object(old), _object(new)
    if is_valid is None or before is None or after is None:
        return None
    decided = decided_fields({*before, *after}) if place == "database" else set[str]()
    for name, value in (*before.items(), *after.items()):
        is_own = name in decided and (is_absent(value) or _is_text(value))
        if not (is_own or is_valid(name, value)):
            return None
    return before, after


def decided_fields(names: Iterable[str]) -> set[str]:
    """Return the fields of the user among the fields of a decision, see `decide_on_field`."""
    return {
        source
        for name in names
        if (source := fields.source_of(name))
        and source != fields.GENRE.source
        and name == fields.FieldSet.of(source).review
    }


def is_time(value: object) -> bool:
    """Return whether a value is a displayable time in seconds since the epoch."""
    return _is_number(value) and 0 <= value < _YEAR_10000


def _object(text: object) -> Values | None:
    try:
        values = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _is_field(name: str, value: object) -> bool:
    source = fields.source_of(name)  # the model that predicted it may have been deleted since
    if name not in fields.MANAGED_FIELDS and source is None:
        return False
    if is_absent(value):
        return True
    if source and name == fields.FieldSet.of(source).confidence:
        return _is_number(value)
    if name in (fields.GENRES, fields.STYLES):
        return _are_texts(value)
    return _is_text(value)


def _is_tag(name: str, value: object) -> bool:
    source = fields.source_of(name)
    names = fields.FieldSet.of(source) if source else None
    return (
        (name in fields.TAG_NAMES or bool(names and name in (names.value, names.confidence)))
        and isinstance(value, dict)
        and _are_texts(value.get("text"))
        and _is_text(value.get("key", ""))
        and value.get("encoding", 0) in _ENCODINGS
    )


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_text(value: object) -> TypeGuard[str]:
    try:
        return isinstance(value, str) and bool(value.encode() or True)
    except UnicodeEncodeError:
        return False


def _is_number(value: object) -> TypeGuard[float]:
    """Return whether SQLite can store a value as a number; Booleans do not count."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53


_PLACES: dict[str, Callable[[str, object], bool]] = {"database": _is_field, "file": _is_tag}
