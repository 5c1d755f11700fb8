"""Tracks and predictions as JSON objects. They hold no paths of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beets.library import Item

from beetsplug.genreclf import fields
from beetsplug.genreclf.decisions import is_field_open, version
from beetsplug.genreclf.sources import why_not_reviewed
from beetsplug.genreclf.storage.objects import get_values
from beetsplug.genreclf.storage.value_comparison import Values, is_absent
from genremodel.audio.params import WINDOW_SECONDS

if TYPE_CHECKING:
    from genremodel import Prediction


def is_open(item: Item) -> bool:
    """Return whether a track has a prediction that is still to be reviewed."""
    values = get_values(item)
    return bool(values.get(fields.MODEL) and not values.get(fields.REVIEW))


def track_object(item: Item) -> dict[str, Any]:
    """Return a track as lists show it."""
    values = get_values(item)
    return {
        "id": item.id,
        "album_id": item.album_id or 0,
        "title": item.title or item.filepath.name,
        "artist": item.artist,
        "track": item.track or None,
        "length": item.length or None,
        "format": item.format,
        "genres": [*item.genres],
        "predicted": values.get(fields.PREDICTED_GENRE) or None,
        "confidence": values.get(fields.CONFIDENCE),
        "scope": values.get(fields.SCOPE) or None,
        "reason": values.get(fields.REASON) or None,
        "agreement": values.get(fields.AGREEMENT) or None,
        "styles": [*(values.get(fields.STYLES) or ())],
        "review": values.get(fields.REVIEW) or None,
        "model": values.get(fields.MODEL) or None,
        "version": version(item),
        "open": is_open(item),
        "others": [
            _other_object(item, values, own)
            for own in fields.SOURCES.values()
            if values.get(own.model)
        ],
        "playable": item.filepath.is_file(),
    }


def _other_object(item: Item, values: Values, own: fields.FieldSet) -> dict[str, Any]:
    """Return the prediction of a field other than `genres`. values: of the track."""
    value = item.get(own.source)
    return {
        "field": own.source,
        "predicted": values.get(own.value) or None,
        "confidence": values.get(own.confidence),
        "reason": values.get(own.reason) or None,
        "value": None if is_absent(value) else str(value),
        "review": values.get(own.review) or None,
        "open": is_field_open(item, own) and not why_not_reviewed(own.source),
    }


def prediction_object(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction with its windows and probabilities."""
    probabilities = sorted(prediction.probabilities.items(), key=lambda genre: -genre[1])
    return {
        "predicted": prediction.genre,
        "confidence": prediction.confidence,
        "reason": prediction.reason,
        "styles": [*prediction.styles],
        "model": prediction.model,
        "votes": [{"genre": genre, "windows": n} for genre, n in prediction.votes.items()],
        "probabilities": [{"genre": genre, "probability": share} for genre, share in probabilities],
        "windows": [
            {
                "start": window.start,
                "end": window.start + WINDOW_SECONDS,
                "genre": window.genre,
                "probability": window.probability,
            }
            for window in prediction.windows
        ],
    }
