"""Whether the genre that was heard agrees with those that a track had.

Collections spell genres in a thousand ways. A small table sorts the common names into families;
where it has no entry, the end of the name often has ("norwegian black metal").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from beetsplug.genreclf.genres.families import INDEX, RELATIONS
from beetsplug.genreclf.genres.labels import genre_parts, normalize

Agreement: TypeAlias = Literal["agrees", "related", "differs", ""]


def agreement(before: Iterable[str], *heard: str, own: frozenset[str] = frozenset()) -> Agreement:
    """Tell whether a genre fits the genres that a track had.

    before: as they are in its tags. heard: the model's name of the genre and, where tags spell it
    otherwise, that name. own: as `genre_parts` has it. Empty when nothing is known of either side.
    """
    before = [*before]
    parts = {normalize(part) for part in genre_parts(before, own)}
    theirs = parts | {normalize(name) for name in before}
    ours = {normalize(name) for name in heard}
    their_families = frozenset[str]().union(*map(_families, parts))
    our_families = frozenset[str]().union(*map(_families, ours))
    if ours & (theirs | their_families):
        return "agrees"
    if not (our_families and their_families):
        return ""
    related = {neighbour for family in our_families for neighbour in RELATIONS[family]}
    return "related" if (our_families | related) & their_families else "differs"


def _families(name: str) -> frozenset[str]:
    """Return the families of a name, or of the longest end of it that has any."""
    words = name.split()
    ends = (" ".join(words[start:]) for start in range(len(words)))
    return next((INDEX[end] for end in ends if end in INDEX), frozenset())
