"""Compare a predicted genre with the genres that a track had."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from beetsplug.genreclf.genres.families import families_of, related_families
from beetsplug.genreclf.genres.labels import genre_parts
from beetsplug.genreclf.genres.normalize import normalize

Agreement: TypeAlias = Literal["agrees", "related", "differs", ""]


def agreement(
    before: Iterable[str], *predicted: str, own: frozenset[str] = frozenset()
) -> Agreement:
    """Return whether a predicted genre agrees with the genres that a track had, or its family does.

    before: as they are in its tags. predicted: the model's name of the genre and, if tags spell it
    otherwise, that name. own: as `genre_parts` has it. Empty if either side is unknown.

    >>> agreement(["Norwegian Black Metal"], "metal"), agreement(["R&B"], "disco")
    ('agrees', 'related')
    """
    before = [*before]
    parts = genre_parts(before, own)
    theirs = {normalize(name) for name in [*before, *parts]}
    ours = {normalize(name) for name in predicted}
    their_families = frozenset[str]().union(*map(families_of, parts))
    our_families = frozenset[str]().union(*map(families_of, predicted))
    if ours & (theirs | their_families):
        return "agrees"
    if not (our_families and their_families):
        return ""
    related = our_families.union(*map(related_families, our_families))
    return "related" if related & their_families else "differs"
