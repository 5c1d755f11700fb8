"""Decisions of the user about the genres of tracks and albums. Nothing is read or changed here.

They last: `updates.plan_update` leaves the genres of whatever has a `genre_review` as they are, and
`storage.authorship` counts them as the user's own. Undoing the decision is the only way back.

Decisions about other fields that models predict are on tracks alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, TypeAlias

from beetsplug.genreclf.fields import GENRES, REVIEW, FieldSet
from beetsplug.genreclf.genres.labels import split
from beetsplug.genreclf.storage.objects import get_values
from beetsplug.genreclf.storage.value_comparison import is_absent
from beetsplug.genreclf.updates import Rules, Update

if TYPE_CHECKING:
    from beets.library import Album, Item

    from beetsplug.genreclf.storage.snapshot import Snapshot

Decision: TypeAlias = Literal["accept", "keep", "correct"]

ACCEPTED, KEPT, CORRECTED = "accepted", "kept", "corrected"  # values of `genre_review`
_REVIEWS: dict[Decision, str] = {"accept": ACCEPTED, "keep": KEPT, "correct": CORRECTED}
_DECISIONS: dict[str | None, Decision] = {review: name for name, review in _REVIEWS.items()}


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
    return _decided(update, valid_labels(genres), CORRECTED)


def is_field_open(item: Item, own: FieldSet) -> bool:
    """Return whether a track has a prediction of another field, but no value and no decision.

    A value on its album counts as one.
    """
    values = get_values(item)
    is_undecided = values.get(own.model) and not values.get(own.review)
    return bool(is_undecided and is_absent(item.get(own.source)))


def decide_on_field(
    snapshot: Snapshot, own: FieldSet, decision: Decision, labels: str | Sequence[str] = ()
) -> Update:
    """Return the update of a track by the decision of the user about a field other than `genres`.

    accept: the predicted value. keep: the field stays empty. correct: other labels.

    Raises DecisionError as `decide` does.
    """
    values = {**snapshot.values, own.review: _REVIEWS[decision]}
    if decision == "keep":
        return Update(snapshot, (), values, decided=(own.review,))
    values[own.source] = snapshot.values.get(own.value)
    if decision == "correct":
        values[own.source] = "; ".join(valid_labels(labels, own.source))
    elif not values[own.source]:
        raise DecisionError(f"there is no predicted {own.source} to accept")
    return Update(snapshot, (), values, decided=(own.source, own.review))


def valid_labels(labels: str | Sequence[str], field: str = GENRES) -> list[str]:
    """Return labels that the user gives, each once. Raises DecisionError if they are not valid."""
    from genremodel.custom.custom_model import label_word
    from genremodel.display import has_control_characters

    names = [*dict.fromkeys(split(labels))]
    refused = [name for name in names if has_control_characters(name)]
    if refused:
        raise DecisionError(f"control characters are not allowed: {', '.join(map(repr, refused))}")
    if not names:
        raise DecisionError(f"there is no {label_word(field)} to set")
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
    return replace(update, values=values, decided=(GENRES, REVIEW))
