"""Compare the values of fields and tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Values: TypeAlias = dict[str, Any]  # of fields or tags by name; absent ones are left out


def is_absent(value: Any) -> bool:
    """Return whether a value means "no value": None, an empty text or an empty list.

    beets stores fields that were never set, read from a file without the tag, or emptied in
    different ways, which are the same to the user.

    >>> [is_absent(value) for value in (None, "", [], 0.0, "jazz")]
    [True, True, True, False, False]
    """
    return value is None or (isinstance(value, (str, list, tuple)) and not value)


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, or both absent.

    Tags, as `TagFile.read` returns them, are compared by their text: the encoding depends on the
    program that last wrote the file.
    """
    one, other = _plain(one), _plain(other)
    return one == other or (is_absent(one) and is_absent(other))


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Values, Values]:
    """Return the values of `old` and of `new` that are not identical in the other.

    A field without a value differs from an absent field here, so that both can be restored exactly.
    """
    return (
        {name: value for name, value in old.items() if name not in new or new[name] != value},
        {name: value for name, value in new.items() if name not in old or old[name] != value},
    )


def _plain(value: Any) -> Any:
    return value["text"] if isinstance(value, dict) else value
