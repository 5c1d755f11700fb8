"""Compare values of fields and tags: the one definition of absent and of same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Values: TypeAlias = dict[str, Any]  # fields or tags that are there; others are not


def is_absent(value: Any) -> bool:
    """Return whether a value stands for "no value": None, an empty text or an empty list.

    beets stores a field that was never set, one that was read from a file without the tag, and one
    that was emptied in different ways. None of them differs for the user.

    >>> [is_absent(value) for value in (None, "", [], 0.0, "jazz")]
    [True, True, True, False, False]
    """
    return value is None or (isinstance(value, (str, list, tuple)) and not value)


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, or both absent.

    Tags, as `TagFile.read` returns them, are compared by their text: the encoding is the choice of
    the program that last wrote the file.
    """
    one, other = _plain(one), _plain(other)
    return one == other or (is_absent(one) and is_absent(other))


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Values, Values]:
    """Return what of `old` and what of `new` is not the same in the other, to be restored exactly.

    Here a field that is there without a value differs from one that is not there: on a track, the
    first hides the field of the album.
    """
    return (
        {name: value for name, value in old.items() if name not in new or new[name] != value},
        {name: value for name, value in new.items() if name not in old or old[name] != value},
    )


def _plain(value: Any) -> Any:
    return value["text"] if isinstance(value, dict) else value
