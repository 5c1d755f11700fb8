"""The fields of a prediction, on tracks and on albums: their types, and their tags in files.

Those of genres are always there. Tracks have others as well, of each field that a model in the
folder of the library predicts: `add_source` adds them when beets starts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from beets.dbcore import types
from beets.dbcore.query import NumericQuery
from mediafile import (
    ASFStorageStyle,
    ListMediaField,
    ListStorageStyle,
    MediaField,
    MediaFile,
    MP3DescStorageStyle,
    MP3ListDescStorageStyle,
    MP4ListStorageStyle,
    MP4StorageStyle,
    StorageStyle,
)

from beetsplug.genreclf.storage.value_comparison import is_absent

if TYPE_CHECKING:
    from collections.abc import Callable

    from beets.dbcore import Model
    from beets.library import Item


class FieldSet(NamedTuple):
    """The names of the fields of a prediction.

    source: the field whose values a model predicts. value: the prediction. review: the decision of
    the user about it.
    """

    source: str
    value: str
    confidence: str
    model: str
    reason: str
    votes: str
    review: str

    @classmethod
    def of(cls, source: str) -> FieldSet:
        """Return the names for a field.

        >>> FieldSet.of("mood").value, FieldSet.of("mood").confidence
        ('predicted_mood', 'mood_confidence')
        """
        parts = ("confidence", "model", "reason", "votes", "review")
        return cls(source, f"{_PREDICTED}{source}", *(f"{source}_{part}" for part in parts))

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return self[1:]


_PREDICTED = "predicted_"
_NAME = re.compile(
    rf"{_PREDICTED}(?P<source>[a-z0-9_]+)"
    r"|(?P<of>[a-z0-9_]+)_(?:confidence|model|reason|votes|review)"
)

GENRES = "genres"  # beets' own
GENRE = FieldSet.of("genre")
PREDICTED_GENRE = GENRE.value
CONFIDENCE = GENRE.confidence
MODEL = GENRE.model
REASON = GENRE.reason
VOTES = GENRE.votes
REVIEW = GENRE.review
STYLES = "predicted_styles"
SCOPE = "genre_scope"
AGREEMENT = "genre_agreement"
JOURNAL_ID = "genre_journal_id"

CONFIDENCE_DIGITS = 3


class PresentNumericQuery(NumericQuery):
    """A numeric query that no object without a value matches."""

    def match(self, obj: Model) -> bool:
        """Return True if the object has a value and it is in the range."""
        return obj.get(self.field_name) is not None and super().match(obj)


class OptionalFloat(types.NullFloat):
    """A number that may be absent, and then shows as nothing rather than 0."""

    query = PresentNumericQuery

    def format(self, value: float | None) -> str:
        """Return the number with its digits, or nothing."""
        return "" if value is None else super().format(value)

    def parse(self, string: str) -> float | None:
        """Return the number, or None if it is none or not finite."""
        return self.normalize(super().parse(string))

    def normalize(self, value: Any) -> float | None:
        """Return the number, or None if it is not finite, as NaN is not even equal to itself."""
        number = super().normalize(value)
        return None if isinstance(number, float) and not isfinite(number) else number


class OptionalString(types.String):
    """A string that may be absent. An empty string is stored and read as an absent one."""

    null = None

    def format(self, value: str | None) -> str:
        """Return the text, or nothing."""
        return value or ""

    def parse(self, string: str) -> str | None:
        """Return the text, or None if it is empty."""
        return string or None

    def normalize(self, value: Any) -> str | None:
        """Return the text, or None if it is empty."""
        return None if is_absent(value) else super().normalize(value)


class OptionalList(types.DelimitedString):
    """Strings that may be absent. An empty list is stored and read as an absent one."""

    null: Any = None

    def format(self, value: list[str] | None) -> str:
        """Return the texts, or nothing."""
        return super().format(value or [])

    def parse(self, string: str) -> Any:
        """Return the texts, or None if there are none."""
        return super().parse(string) or None

    def normalize(self, value: Any) -> Any:
        """Return the texts, or None if there are none."""
        return None if is_absent(value) else super().normalize(value)

    def to_sql(self, model_value: list[str] | None) -> Any:
        """Return the texts as the database stores them, or None."""
        return None if model_value is None else super().to_sql(model_value)


class OptionalField(MediaField):
    """A tag that is deleted when its value is emptied, so that no empty tag is ever written."""

    def __set__(self, mediafile: MediaFile, value: object) -> None:
        if is_absent(value):
            self.__delete__(mediafile)
        else:
            super().__set__(mediafile, value)


class OptionalListField(OptionalField, ListMediaField):
    """A tag of several values that is deleted when it has none any more."""


def _tag(name: str, out_type: type = str) -> OptionalField:
    """Return a media field of the same name in every container."""
    digits = {"float_places": CONFIDENCE_DIGITS}
    return OptionalField(
        MP3DescStorageStyle(name, **digits),
        MP4StorageStyle(f"----:com.apple.iTunes:{name}", **digits),
        StorageStyle(name, **digits),
        ASFStorageStyle(name, **digits),
        out_type=out_type,
    )


def _styles_tag() -> OptionalListField:
    return OptionalListField(
        MP3ListDescStorageStyle(STYLES, split_v23=True),  # beets joins them by "/" there
        MP4ListStorageStyle(f"----:com.apple.iTunes:{STYLES}"),
        ListStorageStyle(STYLES),
        ASFStorageStyle(STYLES),
    )


@dataclass(frozen=True)
class Field:
    """A field of predictions.

    name: on tracks, and of its tag. album_name: on albums, None if they do not have it. tag: None
    for a field that files do not have.
    """

    name: str
    album_name: str | None
    type: types.Type[Any, Any]
    tag: MediaField | None = None


_TEXT = OptionalString()
_TEXTS = OptionalList(types.MULTI_VALUE_DSV.db_delimiter)
_NUMBER = OptionalFloat(CONFIDENCE_DIGITS)

FIELDS = (
    Field(PREDICTED_GENRE, "album_genre", _TEXT, _tag(PREDICTED_GENRE)),
    Field(CONFIDENCE, "album_genre_confidence", _NUMBER, _tag(CONFIDENCE, float)),
    Field(MODEL, "album_genre_model", _TEXT, _tag(MODEL)),
    Field(STYLES, "album_genre_styles", _TEXTS, _styles_tag()),
    Field(SCOPE, None, _TEXT, _tag(SCOPE)),
    Field(REASON, "album_genre_reason", _TEXT),
    Field(VOTES, "album_genre_votes", _TEXT),
    Field(AGREEMENT, "album_genre_agreement", _TEXT),
    Field(REVIEW, "album_genre_review", _TEXT),
    Field(JOURNAL_ID, "album_genre_journal_id", _TEXT),  # the key of the object in the journal
)

# Elsewhere, values of tracks and albums alike are known by the names that tracks use.
ALBUM_NAMES = {GENRES: GENRES} | {
    field.name: field.album_name for field in FIELDS if field.album_name
}
MANAGED_FIELDS = [GENRES, *(field.name for field in FIELDS)]
MEDIA_FIELDS = {field.name: field.tag for field in FIELDS if field.tag}
TAG_NAMES = [GENRES, *MEDIA_FIELDS]
ALBUM_TYPES = {field.album_name: field.type for field in FIELDS if field.album_name}
# Tracks show the fields of their album, see `album_getters`.
ITEM_TYPES = {field.name: field.type for field in FIELDS} | ALBUM_TYPES
SOURCES: dict[str, FieldSet] = {}  # those that were added, by their names
SOURCE_TYPES: dict[str, types.Type[Any, Any]] = {}  # of their fields


def add_source(source: str) -> None:
    """Add the fields of predictions of a field other than `genres`, on tracks."""
    if source in SOURCES:
        return
    names = SOURCES[source] = FieldSet.of(source)
    tags = {names.value: _tag(names.value), names.confidence: _tag(names.confidence, float)}
    SOURCE_TYPES.update(dict.fromkeys(names.names, _TEXT) | {names.confidence: _NUMBER})
    ITEM_TYPES.update({name: SOURCE_TYPES[name] for name in names.names})
    MANAGED_FIELDS.extend(names.names)
    MEDIA_FIELDS.update(tags)
    TAG_NAMES.extend(tags)


def source_of(name: str) -> str | None:
    """Return the field whose prediction has a field of this name, None if there is none.

    >>> source_of("predicted_mood"), source_of("mood_votes"), source_of("mood")
    ('mood', 'mood', None)
    """
    match = _NAME.fullmatch(name)
    return match and (match["source"] or match["of"])


def objection(source: str) -> str | None:
    """Return why no other model can be of a field, None if one can."""
    if source in (GENRES, GENRE.source):
        return f"{source} is predicted by the genre model"
    if source.startswith("predicted"):  # or its names would be ambiguous
        return "names that begin with `predicted` are those of predictions"
    own = [name for name in FieldSet.of(source) if name in ITEM_TYPES]
    return f"genreclf sets {own[0]}" if own and source not in SOURCES else None


def album_getters() -> dict[str, Callable[[Item], Any]]:
    """Return the computed fields of tracks: those of the album, by their names.

    The genre of a track without an album is its own, so that path formats can use `$album_genre`
    for all tracks.
    """
    names = {album_name: name for name, album_name in ALBUM_NAMES.items() if name != GENRES}
    return {album_name: _album_getter(album_name, name) for album_name, name in names.items()}


def _album_getter(album_name: str, name: str) -> Callable[[Item], Any]:
    def get(item: Item) -> Any:
        if album := item._cached_album:
            return album.get(album_name)
        return item.get(name, with_album=False) if name == PREDICTED_GENRE else None

    return get
