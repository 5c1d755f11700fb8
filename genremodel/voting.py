"""Combine the window probabilities of a track, or the tracks of an album, into a prediction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genremodel.calibration import Calibration
from genremodel.models.novelty import NONMUSIC_NOVELTY
from genremodel.prediction import (
    ABSTAINED,
    AbstainReason,
    DecisionParams,
    Prediction,
    WindowPrediction,
)

Aggregation: TypeAlias = Literal["majority", "mean"]
AGGREGATIONS: tuple[Aggregation, ...] = get_args(Aggregation)

MIN_VOTERS = 2  # tracks of an album

# A track is divided if it has two parts of different genres, each with at least so many windows, so
# large a share of them, and so confident a genre.
_PART_WINDOWS = 3
_PART_SHARE = 0.3
_PART_CONFIDENCE = 0.8
# The largest confidence in a genre of such a track: less than that of custom models for a decision,
# because neither genre is right for most of it.
_DIVIDED_CONFIDENCE = 0.49


def winning_genre(
    probabilities: NDArray[np.float64], prior: Sequence[float], aggregation: Aggregation
) -> int:
    """Return the index of the winning genre.

    Parameters
    ----------
    probabilities : (windows, genres)
        At least one window.
    prior : (genres,)
        The share of each genre in the training tracks.
    aggregation : "majority" or "mean"
        By majority, each window votes for its most probable genre. Ties go to the larger mean
        probability, then to the larger prior, then to the first genre. By mean, the largest mean
        probability wins.

    Examples
    --------
    >>> probabilities = np.array([[0.4, 0.6], [0.4, 0.6], [0.9, 0.1]])
    >>> winning_genre(probabilities, [0.5, 0.5], "majority")
    1
    >>> winning_genre(probabilities, [0.5, 0.5], "mean")
    0
    """
    summed = probabilities.sum(axis=0)
    votes = vote_counts(probabilities) if aggregation == "majority" else np.zeros_like(summed)
    # lexsort sorts by the last key first.
    keys = np.stack([-np.arange(len(summed)), np.asarray(prior), summed.round(9), votes])
    return int(np.lexsort(keys)[-1])


def vote_counts(probabilities: NDArray[np.float64]) -> NDArray[np.int_]:
    """Return the number of votes for each genre: (windows, genres) to (genres,).

    Examples
    --------
    >>> vote_counts(np.array([[0.4, 0.6], [0.4, 0.6], [0.9, 0.1]])).tolist()
    [1, 2]
    """
    return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])


def vote_with_confidence(
    probabilities: NDArray[np.float64],
    novelty: float,
    params: DecisionParams,
    aggregation: Aggregation,
) -> tuple[int, float]:
    """Return the index of the winning genre and its confidence, without abstaining.

    Parameters
    ----------
    probabilities : (windows, genres)
        At least one window.
    novelty : float
        Of the track.
    """
    index = winning_genre(probabilities, params.prior, aggregation)
    mean = probabilities[:, index].mean()
    confidence = track_confidence(
        params.calibration, mean, weaker_part(probabilities), novelty, len(probabilities)
    )
    return index, float(confidence)


def weaker_part(probabilities: NDArray[np.float64]) -> float:
    """Return the mean probability of the less probable of two genres that divide a track.

    The track is cut where the mean probabilities of the genres of both parts are largest.

    Parameters
    ----------
    probabilities : (windows, genres)
        At least one window.

    Returns
    -------
    0 if a part has few windows, or both have the same genre.

    Examples
    --------
    >>> round(weaker_part(np.array([[0.1, 0.9]] * 4 + [[0.8, 0.2]] * 6)), 2)
    0.8
    >>> weaker_part(np.array([[0.1, 0.9]] * 10))
    0.0
    """
    before = probabilities.cumsum(axis=0)
    after = before[-1] - before
    first = int((before.max(axis=1) + after.max(axis=1)).argmax()) + 1  # windows
    windows = np.array([first, len(probabilities) - first])
    if windows.min() < max(_PART_WINDOWS, _PART_SHARE * len(probabilities)):
        return 0.0
    means = np.stack([before[first - 1], after[first - 1]]) / windows[:, np.newaxis]
    genres = means.argmax(axis=1)
    return 0.0 if genres[0] == genres[1] else float(means.max(axis=1).min())


def track_confidence(
    calibration: Calibration,
    probability: ArrayLike,
    weaker: ArrayLike,
    novelty: ArrayLike,
    windows: ArrayLike,
) -> NDArray[np.float64]:
    """Return the confidence in the genres of tracks. A track of two genres has a low one.

    The calibration alone would be too confident in these: it is fitted on songs, where a mean
    probability of 0.5 is one of similar windows.

    Parameters
    ----------
    calibration : Calibration
    probability : array_like
        The mean probability of the genre of each track.
    weaker : array_like
        The `weaker_part` of each track.
    novelty, windows : array_like
        See `Calibration.confidence`.

    Examples
    --------
    >>> calibration = Calibration(2.0, 1.0, 0.0, 0.0, median_novelty=0.0)
    >>> track_confidence(calibration, [0.5, 0.5], [0.0, 0.9], novelty=0.0, windows=10).round(2)
    array([0.88, 0.49])
    """
    confidence = calibration.confidence(probability, novelty, windows)
    # A calibration with a small slope would be confident in a probability of 0.
    has_parts = np.asarray(weaker) > 0
    is_divided = has_parts & (calibration.confidence(weaker, novelty, windows) >= _PART_CONFIDENCE)
    return np.where(is_divided, np.minimum(confidence, _DIVIDED_CONFIDENCE), confidence)


def vote_track(
    probabilities: NDArray[np.float64],
    novelty: float,
    starts: NDArray[np.float64],
    audible: NDArray[np.bool_],
    params: DecisionParams,
    aggregation: Aggregation = "majority",
) -> Prediction:
    """Return the prediction for a track with at least one audible window.

    Parameters
    ----------
    probabilities : (audible windows, genres)
        Rows sum to 1.
    novelty : float
        Of the track.
    starts : (windows,)
        Seconds.
    audible : (windows,)
        Which windows vote.
    params : DecisionParams
        Of the model.
    aggregation : "majority" or "mean"
        See `winning_genre`.

    Examples
    --------
    >>> from genremodel.calibration import Calibration
    >>> calibration = Calibration(0.0, 1.0, 0.0, 0.0, median_novelty=0.0)
    >>> params = DecisionParams(("blues", "jazz"), (0.5, 0.5), calibration, 0.7, "model")
    >>> prediction = vote_track(np.array([[0.1, 0.9]]), 0.0, np.zeros(1), np.ones(1, bool), params)
    >>> prediction.genre, round(prediction.confidence, 2)
    ('jazz', 0.9)
    """
    counts = vote_counts(probabilities)
    mean = probabilities.mean(axis=0)
    index, confidence = vote_with_confidence(probabilities, novelty, params, aggregation)
    votes = {genre: int(n) for genre, n in zip(params.genres, counts, strict=True) if n}
    mean_by_genre = dict(zip(params.genres, mean.tolist(), strict=True))
    reason: AbstainReason | None = None
    if not novelty < NONMUSIC_NOVELTY:  # NaN is not music either
        reason = "not music"
    elif not confidence >= params.min_confidence:  # NaN is not confident
        median = params.calibration.median_novelty
        _, if_familiar = vote_with_confidence(probabilities, median, params, aggregation)
        if novelty > median and if_familiar >= params.min_confidence:
            reason = "unfamiliar"
        else:
            reason = _abstain_reason(votes if aggregation == "majority" else {})
    return Prediction(
        genre=None if reason else params.genres[index],
        confidence=None if isnan(confidence) else confidence,
        reason=reason,
        votes=_ranked(votes, mean_by_genre),
        probabilities=mean_by_genre,
        novelty=novelty,
        windows=_window_predictions(starts, audible, probabilities, params),
        styles=(),
        model=params.model,
    )


def abstain_silent(
    starts: NDArray[np.float64], audible: NDArray[np.bool_], params: DecisionParams
) -> Prediction:
    """Return the prediction for a track without an audible window.

    Parameters
    ----------
    starts, audible : (windows,)
        Empty if the track is too short.
    """
    reason: AbstainReason = "silence" if len(starts) else "too short"
    windows = _window_predictions(starts, audible, np.empty((0, len(params.genres))), params)
    return Prediction(None, None, reason, {}, {}, None, windows, (), params.model)


def vote_album(tracks: Sequence[Prediction], params: DecisionParams) -> Prediction:
    """Return the prediction for an album.

    The genre with the largest mean confidence over the tracks wins. Every track weighs the same,
    regardless of its length and of its silent windows. Silent tracks and tracks that are not music
    do not vote.

    Parameters
    ----------
    tracks : sequence of Prediction
        By the same model. Tracks that abstain vote by their probabilities.
    params : DecisionParams
        Of that model. Its `min_album_confidence` holds if at least two tracks vote.
    """
    votes = Counter(track.genre for track in tracks)
    abstained = {ABSTAINED: votes.pop(None)} if None in votes else {}
    reasons = Counter(track.reason for track in tracks if track.reason)
    voting = [t for t in tracks if t.novelty is not None and t.novelty < NONMUSIC_NOVELTY]
    if not voting:
        reason = reasons.most_common(1)[0][0] if reasons else "silence"
        return Prediction(None, None, reason, abstained, {}, None, (), (), params.model)
    probabilities = np.array([[*track.probabilities.values()] for track in voting])
    confidences = np.stack(
        [
            params.calibration.confidence(row, track.novelty or 0.0, sum(track.votes.values()))
            for row, track in zip(probabilities, voting, strict=True)
        ]
    )
    index = winning_genre(confidences, params.prior, "mean")
    confidence = float(confidences[:, index].mean())
    mean = dict(zip(params.genres, probabilities.mean(axis=0).tolist(), strict=True))
    counts = {name: count for name, count in votes.items() if name}
    album_reason: AbstainReason | None = None
    min_confidence = params.min_confidence
    if len(voting) >= MIN_VOTERS and params.min_album_confidence is not None:
        min_confidence = params.min_album_confidence
    if not confidence >= min_confidence:  # NaN is not confident
        album_reason = _abstain_reason(counts) if counts else reasons.most_common(1)[0][0]
    return Prediction(
        genre=None if album_reason else params.genres[index],
        confidence=None if isnan(confidence) else confidence,
        reason=album_reason,
        votes=_ranked(counts, mean) | abstained,
        probabilities=mean,
        novelty=None,
        windows=(),
        styles=(),
        model=params.model,
    )


def _window_predictions(
    starts: NDArray[np.float64],
    audible: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    params: DecisionParams,
) -> tuple[WindowPrediction, ...]:
    """Return a prediction for each window. probabilities: of the audible windows."""
    predictions = [WindowPrediction(start, None, None) for start in starts.tolist()]
    for index, row in zip(np.flatnonzero(audible), probabilities, strict=True):
        predictions[index] = replace(
            predictions[index], genre=params.genres[int(row.argmax())], probability=float(row.max())
        )
    return tuple(predictions)


def _abstain_reason(votes: dict[str, int]) -> AbstainReason:
    """Return the reason for a confidence that is too low."""
    is_tied = [*votes.values()].count(max(votes.values(), default=0)) > 1
    return "tie" if is_tied else "low confidence"


def _ranked(votes: dict[str, int], probabilities: dict[str, float]) -> dict[str, int]:
    """Return the votes in descending order, ties by probability."""
    return dict(sorted(votes.items(), key=lambda vote: (-vote[1], -probabilities[vote[0]])))
