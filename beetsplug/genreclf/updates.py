"""Decide what changes on tracks and albums. Nothing is read or changed here.

Values of tracks and albums are known by the names that tracks use, see `fields.ALBUM_NAMES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from beets.library import Album, Item

from beetsplug.genreclf import fields
from beetsplug.genreclf.genres.agreement import Agreement, agreement
from beetsplug.genreclf.genres.labels import is_placeholder
from beetsplug.genreclf.genres.normalize import squash
from beetsplug.genreclf.genres.policy import new_genres
from beetsplug.genreclf.genres.spelling import spell
from beetsplug.genreclf.storage.value_comparison import Values, same

if TYPE_CHECKING:
    from beetsplug.genreclf.config import Config
    from beetsplug.genreclf.storage.snapshot import Snapshot
    from genremodel import Prediction


@dataclass(frozen=True)
class Predicted:
    """The prediction of the genre of a track or an album.

    kept: of a prediction that was made before, the fields that stay as they are. others: new
    predictions of other fields, of a track.
    """

    prediction: Prediction
    kept: Values = field(default_factory=dict)
    others: Mapping[fields.FieldSet, Prediction] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """How predictions become genres and tags.

    genres: of the model. is_custom: the model was trained on the user's own genres. find_spelling:
    as for `spell`. styles_under: as `GenreClassifier` has it.
    """

    config: Config
    genres: tuple[str, ...]
    is_custom: bool
    find_spelling: Callable[[str], str | None]
    styles_under: Callable[[Prediction, str | None], tuple[str, ...]]

    def spelled(self, genre: str) -> str:
        """Return a predicted genre as `genres` and the genre tag have it."""
        return spell(genre, self.config.names, self.find_spelling, self._own_genres)

    def names(self, genre: str | None, styles: Iterable[str]) -> tuple[str, ...]:
        """Return the model's names for `genres`: the predicted genre, and a style by `count`."""
        if genre is None or self.config.count == 1:
            return (genre,) if genre else ()
        from genremodel.style_hierarchy import style_after  # slow to import

        style = style_after(genre, styles)
        return (genre, style) if style else (genre,)

    def new_genres(
        self,
        existing: Sequence[str],
        before: Sequence[str],
        given: tuple[str, ...],
        *,
        accepted: bool = False,
    ) -> list[str]:
        """Return the genres that the policy makes of existing ones, see `policy.new_genres`.

        accepted: by the user, so `fill` does not hold the genres back.
        """
        policy, placeholders = self.config.policy, self.config.placeholders
        if accepted and policy == "fill":
            policy = "replace"
        return new_genres(
            existing, before, given, policy, placeholders=placeholders, own=self._own_genres
        )

    def are_missing(self, genres: Iterable[str]) -> bool:
        """Return whether there are no genres, or placeholders only."""
        return all(is_placeholder(name, self.config.placeholders) for name in genres)

    def agreement(self, before: Iterable[str], *genres: str) -> Agreement:
        """Return how a predicted genre agrees with the genres from before."""
        named = [name for name in before if not is_placeholder(name, self.config.placeholders)]
        return agreement(named, *genres, own=self._own_genres)

    @cached_property
    def _own_genres(self) -> frozenset[str]:
        return frozenset(self.genres if self.is_custom else ())


@dataclass(frozen=True)
class Update:
    """The new values of a track or an album.

    before: the object until now. given: the genre that the policy puts into its genres, and perhaps
    a style, as spelled; empty for an abstention. values: its fields from now on. most_probable: the
    two most probable genres, as text. joint: the prediction of the album or artist whose genre it
    gets instead of its own. decided: the names of the fields that the user has decided on, see
    `decisions`. others: the fields that were predicted beside the genre.
    """

    before: Snapshot
    given: tuple[str, ...]
    values: Values
    most_probable: str = ""
    joint: Prediction | None = None
    decided: tuple[str, ...] = ()
    others: tuple[fields.FieldSet, ...] = ()

    @property
    def obj(self) -> Item | Album:
        """The track or the album."""
        return self.before.obj

    def with_item(self, item: Item, *, was_synced: bool | None = None) -> Update:
        """Return the same update of an item that has changed since it was planned."""
        return replace(self, before=self.before.with_item(item, was_synced=was_synced))

    def with_genres(self, genres: list[str]) -> Update:
        """Return the same update with other genres."""
        return replace(self, values={**self.values, fields.GENRES: genres})

    @property
    def changes_genres(self) -> bool:
        """Whether other genres than now are set."""
        return bool(self.values[fields.GENRES] != self.obj.genres)

    @property
    def changes_scope(self) -> bool:
        """Whether the prediction of another is given, or not any more, see `fields.SCOPE`."""
        scopes = (values.get(fields.SCOPE) or None for values in (self.values, self.before.values))
        return len({*scopes}) > 1

    @property
    def has_applied_genre(self) -> bool:
        """Whether the genres are those that the plugin gave, and have not been changed since."""
        genres = self.values[fields.GENRES]
        return bool(genres != self.before.genres_before and genres == self.obj.genres)


def describe(update: Update) -> str:
    """Return an object and its prediction in one line, in the format of the user."""
    confidence, scope = update.values[fields.CONFIDENCE], update.values.get(fields.SCOPE)
    details = [*([] if confidence is None else [f"{confidence:.3f}"]), *([scope] if scope else [])]
    suffix = f" ({', '.join(details)})" if details else ""
    genre = update.values[fields.PREDICTED_GENRE]
    text = genre or f"no genre, {update.values[fields.REASON]}"
    if isinstance(update.obj, Album):
        votes = update.values[fields.VOTES]
    else:
        votes = None if genre else update.most_probable
    others = "".join(
        f"; {own.source}: {describe_field(update.values, own)}" for own in update.others
    )
    return f"{update.obj}: {text}{suffix}{f': {votes}' if votes else ''}{others}"


def describe_field(values: Values, own: fields.FieldSet) -> str:
    """Return the prediction of a field other than `genres`. values: of the track."""
    value, confidence = values.get(own.value), values.get(own.confidence)
    suffix = "" if confidence is None else f" ({confidence:.3f})"
    return f"{value or f'none, {values.get(own.reason)}'}{suffix}"


def plan_update(
    snapshot: Snapshot,
    own: Predicted,
    rules: Rules,
    joint: Predicted | None = None,
    *,
    respell: bool = False,
) -> Update:
    """Return the update of a track or an album by its prediction.

    joint: the prediction of the album or artist whose genre it gets instead of its own, if that has
    one. respell: a genre that the plugin gave it before is spelled as a new one is.

    Genres that the user has decided on stay as they are. So do those of an abstention, unless they
    were given by an album or artist that does not give one any more.
    """
    if joint and joint.prediction.genre is None:
        joint = None
    before = snapshot.genres_before
    values = _other_values(snapshot, own)
    values |= _prediction_values(own.prediction, before, rules)
    if isinstance(snapshot.obj, Item):
        values[fields.SCOPE] = None
    values |= own.kept
    if joint and isinstance(snapshot.obj, Item):
        values |= _joint_values(joint.prediction, own, snapshot, rules)
    styles = values.get(fields.STYLES) or ()
    given = _given((joint or own).prediction.genre, styles, snapshot, rules, respell=respell)
    values[fields.GENRES] = rules.new_genres(snapshot.obj.genres, before, given)
    if snapshot.review:
        values[fields.GENRES] = snapshot.obj.genres
    elif not given and snapshot.values.get(fields.SCOPE) and rules.config.policy != "never":
        values[fields.GENRES] = [*before]
    values[fields.REVIEW] = snapshot.review
    most = most_probable(own.prediction)
    by = joint.prediction if joint else None
    return Update(snapshot, given, values, most, by, others=(*own.others,))


def plan_nothing(snapshot: Snapshot, rules: Rules, joint: Prediction | None = None) -> Update:
    """Return an update that changes nothing, of a track or an album that the user decides about.

    joint: as for `plan_update`.
    """
    values = snapshot.values
    genre = joint.genre if joint else values.get(fields.PREDICTED_GENRE)
    given = _given(genre or None, values.get(fields.STYLES) or (), snapshot, rules)
    return Update(snapshot, given, values, joint=joint)


def plan_others(snapshot: Snapshot, predicted: Predicted, rules: Rules) -> Update:
    """Return the update of a track that changes the predictions of other fields alone."""
    update = plan_nothing(snapshot, rules)
    values = {**update.values, **_other_values(snapshot, predicted)}
    return replace(update, values=values, others=(*predicted.others,))


def plan_rewrite(snapshot: Snapshot) -> Update:
    """Return the update that made a track what it is, so that its tags can be written again."""
    genres = snapshot.values[fields.GENRES]
    given = [name for name in genres if name not in snapshot.genres_before]
    return Update(snapshot, (*given,), snapshot.values)


def plan_tags(
    update: Update, in_file: Sequence[str], before_file: Sequence[str], rules: Rules
) -> Values:
    """Return the values of the tags that the file of a track is to have.

    in_file: the genres in the file. before_file: those from before the plugin.
    """
    tags = {
        name: update.values.get(name)
        for name in fields.MEDIA_FIELDS
        if name in update.values or name not in fields.SOURCE_TYPES  # others are not predicted
    }
    genres = update.values[fields.GENRES]
    has_changed = genres != update.before.values[fields.GENRES]
    is_decided = fields.GENRES in update.decided and has_changed
    if not same(genres, update.obj.genres):
        pass  # another plugin has changed them since the prediction, so they are not written
    elif is_decided or [*before_file] == update.before.oldest_genres:
        tags[fields.GENRES] = genres
    elif update.has_applied_genre:  # the file has genres that the database does not know
        tags[fields.GENRES] = rules.new_genres(in_file, before_file, update.given)
    elif update.before.values[fields.GENRES] != update.before.genres_before == genres:
        tags[fields.GENRES] = [*before_file]  # the genre that was given is taken back
    return tags


def _given(
    genre: str | None,
    styles: Iterable[str],
    snapshot: Snapshot,
    rules: Rules,
    *,
    respell: bool = False,
) -> tuple[str, ...]:
    """Return a predicted genre, and perhaps a style, as the genres of an object will have them."""
    spelled: dict[str, str] = {}
    for name in rules.names(genre, styles):
        given = None if respell else _spelling_given(name, snapshot)
        text = given or rules.spelled(name)
        spelled.setdefault(squash(text), text)
    return (*spelled.values(),)


def _spelling_given(genre: str, snapshot: Snapshot) -> str | None:
    """Return the spelling in which the plugin gave a genre to a track or an album, if it did."""
    given = (name for name in snapshot.obj.genres if name not in snapshot.genres_before)
    return next((name for name in given if squash(name) == squash(genre)), None)


def _prediction_values(prediction: Prediction, before: Sequence[str], rules: Rules) -> Values:
    """Return the fields of a prediction."""
    return {
        **_vote_values(fields.GENRE, prediction),
        **_genre_values(prediction, prediction.styles, before, rules),
        fields.STYLES: [*prediction.styles] or None,
    }


def _joint_values(joint: Prediction, own: Predicted, snapshot: Snapshot, rules: Rules) -> Values:
    """Return the fields that a track has from the prediction of its album or artist.

    Its styles are its own, but fit that genre.
    """
    styles = rules.styles_under(own.prediction, joint.genre)
    if own.kept and joint.genre == snapshot.values.get(fields.PREDICTED_GENRE):
        styles = tuple(snapshot.values.get(fields.STYLES) or ())
    return {
        **_genre_values(joint, styles, snapshot.genres_before, rules),
        fields.STYLES: [*styles] or None,
        fields.REASON: None,
        fields.SCOPE: "artist" if rules.config.scope == "artist" else "album",
    }


def _genre_values(
    prediction: Prediction, styles: Sequence[str], before: Sequence[str], rules: Rules
) -> Values:
    """Return the fields of the genre alone. styles: of the track or album."""
    names = rules.names(prediction.genre, styles)
    agrees = names and before and rules.agreement(before, *names, *map(rules.spelled, names))
    return {**_value(fields.GENRE, prediction), fields.AGREEMENT: agrees or None}


def _other_values(snapshot: Snapshot, predicted: Predicted) -> Values:
    """Return the values of other fields: new predictions, or else those that there are."""
    kept = snapshot.values.items()
    values: Values = {name: value for name, value in kept if name in fields.SOURCE_TYPES}
    for own, prediction in predicted.others.items():
        values |= _value(own, prediction) | _vote_values(own, prediction)
    return values


def _value(own: fields.FieldSet, prediction: Prediction) -> Values:
    """Return the prediction and its confidence."""
    confidence = prediction.confidence
    digits = fields.CONFIDENCE_DIGITS
    return {
        own.value: prediction.genre,
        own.confidence: None if confidence is None else round(confidence, digits),
    }


def _vote_values(own: fields.FieldSet, prediction: Prediction) -> Values:
    """Return the fields that explain a prediction."""
    return {
        own.model: prediction.model,
        own.reason: prediction.reason,
        own.votes: votes_text(prediction.votes) or None,
    }


def most_probable(prediction: Prediction) -> str:
    """Return the two most probable genres and their probabilities."""
    highest = sorted(prediction.probabilities.items(), key=lambda genre: -genre[1])[:2]
    return ", ".join(f"{genre} {probability:.2f}" for genre, probability in highest)


def votes_text(votes: Mapping[str, int]) -> str:
    """Return the numbers of votes for each genre."""
    return ", ".join(f"{genre} {count}" for genre, count in votes.items())
