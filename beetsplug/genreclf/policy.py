"""What becomes of the genres that a track or an album has. Pure, and tested as one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from beetsplug.genreclf.agreement import spaceless

Policy: TypeAlias = Literal["fill", "replace", "append", "prepend", "never"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


def new_genres(
    existing: Sequence[str], before: Sequence[str], genre: str | None, policy: Policy
) -> list[str]:
    """Return the genres that a track is to have.

    before: those it had before the plugin gave it one; equal to `existing` where it never did, or
    where somebody has changed them since. What is in `existing` alone is the plugin's, and gives
    way. genre: as spelled in tags; None when the verdict was to abstain, which changes nothing.
    """
    if genre is None or policy == "never":
        return [*existing]
    if policy == "replace":
        return [genre]
    theirs = [name for name in existing if name in before]
    if policy == "fill":
        return [*existing] if theirs else [genre]
    if spaceless(genre) in map(spaceless, theirs):
        return theirs
    return [*theirs, genre] if policy == "append" else [genre, *theirs]
