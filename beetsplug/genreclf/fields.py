"""The fields of a prediction: their types in the database and their tags in files.

`genre_reason`, why there is no predicted genre, stays in the database; the others are also tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beets.dbcore import types
from beets.dbcore.query import NumericQuery
from mediafile import (
    ASFStorageStyle,
    MediaField,
    MediaFile,
    MP3DescStorageStyle,
    MP4StorageStyle,
    StorageStyle,
)

if TYPE_CHECKING:
    from beets.dbcore import Model

GENRE = "predicted_genre"
CONFIDENCE = "genre_confidence"
MODEL = "genre_model"
REASON = "genre_reason"

CONFIDENCE_DIGITS = 3


class PresentNumericQuery(NumericQuery):
    """A numeric query that no object without a value matches."""

    def match(self, obj: Model) -> bool:
        """Tell whether the object has a value and it is in the range."""
        return obj.get(self.field_name) is not None and super().match(obj)


class OptionalFloat(types.NullFloat):
    """A number that may be absent, and then shows as nothing rather than 0."""

    query = PresentNumericQuery

    def format(self, value: float | None) -> str:
        """Return the number with its digits, or nothing."""
        return "" if value is None else super().format(value)


TYPES: dict[str, types.Type[Any, Any]] = {
    GENRE: types.STRING,
    CONFIDENCE: OptionalFloat(CONFIDENCE_DIGITS),
    MODEL: types.STRING,
    REASON: types.STRING,
}


class OptionalField(MediaField):
    """A tag that is deleted when its value is emptied, so that no empty tag is ever written."""

    def __set__(self, mediafile: MediaFile, value: object) -> None:
        if value is None or value == "":
            self.__delete__(mediafile)
        else:
            super().__set__(mediafile, value)


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


MEDIA_FIELDS: dict[str, MediaField] = {
    GENRE: _tag(GENRE),
    CONFIDENCE: _tag(CONFIDENCE, float),
    MODEL: _tag(MODEL),
}
