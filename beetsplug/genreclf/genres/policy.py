"""What becomes of the genres that a track or an album has. Pure, and tested as one table."""

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
    genre: str | None,
    policy: Policy,
    *,
    placeholders: frozenset[str] = frozenset(),
    own: frozenset[str] = frozenset(),
) -> list[str]:
    """Return the genres that a track is to have.

    before: those it had before the plugin gave it one; equal to `existing` where it never did, or
    where somebody has changed them since. What is in `existing` alone is the plugin's, and gives
    way. genre: as spelled in tags; None when the verdict was to abstain, which changes nothing.
    placeholders: as of `is_placeholder`; "fill" replaces them, "append" and "prepend" keep them.
    own: as of `genre_parts`.
    """
    if genre is None or policy == "never":
        return [*existing]
    if policy == "replace":
        return [genre]
    theirs = [name for name in existing if name in before]
    if policy == "fill":
        empty = all(is_placeholder(name, placeholders) for name in theirs)
        return [genre] if empty else [*existing]
    if _is_among(genre, theirs, own):
        return theirs
    return [*theirs, genre] if policy == "append" else [genre, *theirs]


def _is_among(genre: str, names: Sequence[str], own: frozenset[str]) -> bool:
    """Return whether a genre is among names in any spelling, also as a part of one of them."""
    there = {squash(name) for name in [*names, *genre_parts([*names], own)]}
    parts = {squash(part) for part in genre_parts(genre, own)}
    return squash(genre) in there or bool(parts and parts <= there)
