"""Parts of messages, for commands and imports."""

from __future__ import annotations


def count(number: int, singular: str, plural: str = "") -> str:
    """Return a number and its noun.

    >>> count(1, "track"), count(2, "track"), count(0, "analysis", "analyses")
    ('1 track', '2 tracks', '0 analyses')
    """
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
