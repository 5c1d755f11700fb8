"""Combine existing genres with a predicted one, by the option `policy`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from beetsplug.genreclf.genres.labels import genre_parts, is_placeholder
from beetsplug.genreclf.genres.normalize import squash

Policy: TypeAlias = Literal["fill", "replace", "append", "prepend", "never"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


def new_genres(
    existing: Sequence[str],
    before: Sequence[str],
    given: tuple[str, ...],
    policy: Policy,
    *,
    placeholders: frozenset[str] = frozenset(),
    own: frozenset[str] = frozenset(),
) -> list[str]:
    """Return the new genres of a track or an album.

    before: the genres before the plugin set one; equal to `existing` if it never did, or if they
    were changed since. Genres in `existing` alone were set by the plugin, and are replaced. given:
    the predicted genre as spelled in tags, and perhaps a style, which always comes after it; empty
    for an abstention, which changes nothing.
    placeholders: as for `is_placeholder`; "fill" replaces them, "append" and "prepend" keep them.
    own: as for `genre_parts`.

    >>> new_genres(["Bebop"], ["Bebop"], ("jazz",), "append")
    ['Bebop', 'jazz']
    >>> new_genres(["Bebop", "pop"], ["Bebop"], ("jazz", "soul"), "append")
    ['Bebop', 'jazz', 'soul']
    """
    if not given or policy == "never":
        return [*existing]
    if policy == "replace":
        return [*given]
    users = [name for name in existing if name in before]
    if policy == "fill":
        empty = all(is_placeholder(name, placeholders) for name in users)
        return [*given] if empty else [*existing]
    added = [name for name in given if not _contains(users, name, own)]
    if policy == "append" or given[0] not in added:
        return [*users, *added]
    return [*added, *users]


def _contains(names: Sequence[str], genre: str, own: frozenset[str]) -> bool:
    """Return whether names contain a genre in any spelling, or as a part of one of them."""
    squashed = {squash(name) for name in [*names, *genre_parts([*names], own)]}
    parts = {squash(part) for part in genre_parts(genre, own)}
    return squash(genre) in squashed or bool(parts and parts <= squashed)
