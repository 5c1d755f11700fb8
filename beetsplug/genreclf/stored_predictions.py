"""Predictions that tracks and albums already have, without a new analysis.

A file keeps the genre, the confidence, the styles and the model; everything else is in the fields
of the library that made the prediction, and the windows are in the cache of analyses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from beets.library import Album, Item

from beetsplug.genreclf import fields
from beetsplug.genreclf.storage.objects import get_values
from genremodel.prediction import ABSTAINED, Prediction

_EXPLANATION = (fields.VOTES, fields.REASON)


def kept_fields(obj: Item | Album) -> dict[str, Any]:
    """Return the fields that stay as they are when the policy is applied again."""
    own = get_values(obj)
    kept = {
        fields.PREDICTED_GENRE: own.get(fields.PREDICTED_GENRE),
        fields.CONFIDENCE: own.get(fields.CONFIDENCE),
        fields.MODEL: own.get(fields.MODEL),
        fields.STYLES: own.get(fields.STYLES),
    }
    if scope := own.get(fields.SCOPE):
        kept[fields.SCOPE] = scope
    explained = own.get(fields.VOTES) or own.get(fields.REASON)
    return kept | ({name: own.get(name) for name in _EXPLANATION} if explained else {})


def recalled_prediction(obj: Item | Album, decided: Prediction | None) -> Prediction:
    """Return the prediction that a track or an album has.

    decided: the prediction of the same model from the cached analysis, if there is one; it adds the
    votes and the probabilities.
    """
    kept = kept_fields(obj)
    genre, confidence = kept[fields.PREDICTED_GENRE] or None, kept[fields.CONFIDENCE]
    styles = tuple(kept[fields.STYLES] or ())
    prediction = decided or Prediction(
        None, None, None, {}, {}, None, (), (), kept[fields.MODEL], styles
    )
    reason = prediction.reason
    if genre:
        reason = None
    elif decided and decided.genre:  # another threshold held when it was made
        reason = "low confidence"
    return replace(
        prediction,
        genre=genre,
        confidence=confidence,
        reason=reason,
        styles=styles,
    )


def has_votes(prediction: Prediction) -> bool:
    """Return whether a track has all that the prediction of its album needs."""
    if prediction.genre is None and prediction.confidence is None:
        return True  # silence has none
    known = prediction.probabilities
    return bool(known) and prediction.genre in {None, *known}


def album_prediction(tracks: Sequence[Prediction], *, min_confidence: float) -> Prediction:
    """Return the prediction of an album from the genres and confidences of its tracks alone.

    It has no styles.

    tracks: at least one. As with analyses, every track counts the same and the confidence is the
    mean over the tracks, but here a track only counts for its own genre.
    """
    votes = Counter(track.genre or ABSTAINED for track in tracks)
    sums: dict[str, float] = {}
    for track in tracks:
        if track.genre:
            sums[track.genre] = sums.get(track.genre, 0.0) + (track.confidence or 0.0)
    genre = max(sums, key=lambda name: sums[name], default=None)
    confidence = sums[genre] / len(tracks) if genre else None
    if confidence is not None and not confidence >= min_confidence:  # NaN is below every threshold
        genre = None
    abstained = {ABSTAINED: votes.pop(ABSTAINED)} if ABSTAINED in votes else {}
    return Prediction(
        genre=genre,
        confidence=confidence,
        reason=None if genre else "low confidence",
        votes=dict(votes.most_common()) | abstained,
        probabilities={},
        novelty=None,
        windows=(),
        styles=(),
        model=Counter(track.model for track in tracks).most_common(1)[0][0],
    )
