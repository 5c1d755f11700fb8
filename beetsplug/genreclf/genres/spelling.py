"""Spell predicted genres for `genres` and the genre tag."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from beetsplug.genreclf.genres.normalize import squash

# Of each word, and of each part of "r&b".
_FIRST_LETTER = re.compile(r"(?<![^\s&])\w")


def spell(
    genre: str,
    names: Mapping[str, str],
    find_spelling: Callable[[str], str | None],
    own: Collection[str] = (),
) -> str:
    """Return a genre or a style as `genres` and the genre tag have it.

    names: of the user's configuration, by the model's name in lower case. find_spelling: finds the
    spelling of the library. own: genres of a custom model, which are spelled as the user did when
    it was trained.

    >>> spell("hip hop", {}, {"hip hop": "Hip-Hop"}.get), spell("r&b", {}, {}.get)
    ('Hip-Hop', 'R&B')
    """
    name = names.get(genre.lower()) or find_spelling(genre)
    return name or (genre if genre in own else title_case(genre))


def title_case(genre: str) -> str:
    """Return a genre with the first letter of each word in upper case."""
    return _FIRST_LETTER.sub(lambda letter: letter[0].upper(), genre)


def most_common(tracks: Mapping[str, int]) -> dict[str, str]:
    """Return the most common spelling of each genre, by its squashed name.

    tracks: the number of tracks by spelling. Of equally common spellings, the first in the order of
    Unicode is taken, which begins with upper case. Invisible characters are not propagated.

    >>> most_common({"Hip-Hop": 3, "hip hop": 2})
    {'hiphop': 'Hip-Hop'}
    """
    spellings: dict[str, str] = {}
    for name in sorted(filter(str.isprintable, tracks), key=lambda name: (-tracks[name], name)):
        spellings.setdefault(squash(name), name)
    return spellings
