"""Decisions of the user about the genres of tracks and albums. Nothing is read or changed here.

They last: `updates.plan_update` leaves the genres of whatever has a `genre_review` as they are, and
`storage.authorship` counts them as the user's own. Undoing the decision is the only way back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, TypeAlias

from beetsplug.genreclf.fields import GENRES, REVIEW
from beetsplug.genreclf.genres.labels import split
from beetsplug.genreclf.storage.objects import get_values
from beetsplug.genreclf.storage.value_comparison import is_absent
from beetsplug.genreclf.updates import Rules, Update

if TYPE_CHECKING:
    from beets.library import Album, Item

Decision: TypeAlias = Literal["accept", "keep", "correct"]

ACCEPTED, KEPT, CORRECTED = "accepted", "kept", "corrected"  # values of `genre_review`
_DECISIONS: dict[str | None, Decision] = {ACCEPTED: "accept", KEPT: "keep", CORRECTED: "correct"}


class DecisionError(Exception):
    """A decision that cannot be made. Its text is for the user."""


def decide(
    update: Update, decision: Decision, rules: Rules, genres: str | Sequence[str] = ()
) -> Update:
    """Return an update with the decision of the user about its genres.

    accept: the predicted genre, and perhaps a style, by the policy; but `fill` does not hold them
    back. keep: the genres as they are now. Genres that the plugin has set are accepted by that.
    correct: other genres, a text or several, see `labels.split`.

    Raises DecisionError if there is no predicted genre to accept, or no valid genre to set.
    """
    now = update.obj.genres
    if decision == "accept":
        if not update.given:
            raise DecisionError("there is no predicted genre to accept")
        before = update.before.genres_before
        return _decided(
            update, rules.new_genres(now, before, update.given, accepted=True), ACCEPTED
        )
    if decision == "keep":
        return _decided(update, now, KEPT if now == update.before.genres_before else ACCEPTED)
    return _decided(update, valid_genres(genres), CORRECTED)


def valid_genres(genres: str | Sequence[str]) -> list[str]:
    """Return genres that the user gives, each once. Raises DecisionError if they are not valid."""
    from genremodel.display import has_control_characters

    names = [*dict.fromkeys(split(genres))]
    refused = [name for name in names if has_control_characters(name)]
    if refused:
        raise DecisionError(f"control characters are not allowed: {', '.join(map(repr, refused))}")
    if not names:
        raise DecisionError("there is no genre to set")
    return names


def common_decision(items: Iterable[Item]) -> tuple[Decision, list[str]] | None:
    """Return the decision that was made about all of some tracks, and the genres of corrections.

    None if the tracks have different ones, or some have none.
    """
    reviews, genres = set[str | None](), set[tuple[str, ...]]()
    for item in items:
        reviews.add(get_values(item).get(REVIEW))
        genres.add((*item.genres,))
    decision = _DECISIONS.get(reviews.pop()) if len(reviews) == 1 else None
    if decision != "correct":
        return (decision, []) if decision else None
    return (decision, [*genres.pop()]) if len(genres) == 1 else None


def version(obj: Item | Album) -> str:
    """Return a digest of the values that a decision depends on: it is stale if they change."""
    values = {name: value for name, value in get_values(obj).items() if not is_absent(value)}
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _decided(update: Update, genres: Sequence[str], review: str) -> Update:
    values = {**update.values, GENRES: [*genres], REVIEW: review}
    return replace(update, values=values, is_decision=True)
