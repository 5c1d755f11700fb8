"""The fields of a prediction: their types in the database and their tags in files.

Four are also tags, see `MEDIA_FIELDS`; the others stay in the database. Albums have all of them,
and because tracks inherit the flexible fields of their album, each of its tracks has all as well.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from beets import ui
from beets.dbcore import types
from beets.dbcore.query import NumericQuery
from beets.library import Album, Item
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

from beetsplug.genreclf.storage.values import is_absent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from beets.dbcore import Model

GENRES = "genres"  # beets' own
GENRE = "predicted_genre"
CONFIDENCE = "genre_confidence"
MODEL = "genre_model"
STYLES = "predicted_styles"
REASON = "genre_reason"
VOTES = "genre_votes"
AGREEMENT = "genre_agreement"
HISTORY = "genre_history"  # the object's key in the journal

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

    def parse(self, string: str) -> float | None:
        """Return the number, or None if it is none or not finite."""
        return self.normalize(super().parse(string))

    def normalize(self, value: Any) -> float | None:
        """Return the number, or None if it is not finite, as NaN is not even equal to itself."""
        number = super().normalize(value)
        return None if isinstance(number, float) and not isfinite(number) else number


class OptionalString(types.String):
    """A text that may be absent. An empty text is stored and read as an absent one."""

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
    """Texts that may be absent. An empty list is stored and read as an absent one."""

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


TYPES: dict[str, types.Type[Any, Any]] = {
    GENRE: OptionalString(),
    CONFIDENCE: OptionalFloat(CONFIDENCE_DIGITS),
    MODEL: OptionalString(),
    STYLES: OptionalList(types.MULTI_VALUE_DSV.db_delimiter),
    REASON: OptionalString(),
    VOTES: OptionalString(),
    AGREEMENT: OptionalString(),
    HISTORY: OptionalString(),
}
# Hides the fields of the album on a track that has no prediction of its own.
EMPTY: dict[str, Any] = dict.fromkeys(TYPES)
# All that the plugin sets in the database.
CHANGED = (GENRES, *TYPES)


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


MEDIA_FIELDS: dict[str, MediaField] = {
    GENRE: _tag(GENRE),
    CONFIDENCE: _tag(CONFIDENCE, float),
    MODEL: _tag(MODEL),
    STYLES: OptionalListField(
        MP3ListDescStorageStyle(STYLES, split_v23=True),  # beets joins them by "/" there
        MP4ListStorageStyle(f"----:com.apple.iTunes:{STYLES}"),
        ListStorageStyle(STYLES),
        ASFStorageStyle(STYLES),
    ),
}


def own_values(model: Item | Album, names: Iterable[str] = CHANGED) -> dict[str, Any]:
    """Return the fields that a track, its album aside, or an album has."""
    present = model.keys(with_album=False) if isinstance(model, Item) else model.keys()
    return {name: model[name] for name in names if name in present}


def fresh(model: Item | Album) -> Item | Album | None:
    """Return a track or an album as the database has it now, unless it has been removed."""
    assert model.id is not None  # it has been in the library
    return model.db.get_album(model.id) if isinstance(model, Album) else model.db.get_item(model.id)


def set_values(model: Item | Album, values: Mapping[str, Any]) -> None:
    """Set the fields of a track or an album to `values`, and remove those that are not there."""
    present = own_values(model)
    for name in present.keys() - values.keys():
        del model[name]
    for name, value in values.items():
        model[name] = value
        if value is None and name in TYPES:
            model._dirty.add(name)  # beets stores None only where it replaces another value


def show_changes(old: Item | Album, new: Item | Album) -> None:
    """Print how the fields of a track or an album change, as beets does."""
    before, after = own_values(old), own_values(new)
    said = (name for name in CHANGED if name != HISTORY and (before.get(name) or after.get(name)))
    ui.show_model_changes(new, old, [*said] or [HISTORY])


def store(model: Item | Album) -> None:
    """Save a track or an album, without handing the fields of the album down to its tracks."""
    if isinstance(model, Album):
        model.store(inherit=False)
    else:
        model.store()
