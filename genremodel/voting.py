"""From the genre probabilities of windows to one genre, with a confidence or a reason for none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genremodel.audio.params import DEFAULT_WINDOWS
from genremodel.models._special import expit, logit
from genremodel.models.novelty import NO_MUSIC

Aggregation: TypeAlias = Literal["majority", "mean"]
VOTES: tuple[Aggregation, ...] = get_args(Aggregation)
AbstainReason: TypeAlias = Literal["low confidence", "tie", "silence", "too short", "unfamiliar"]
ABSTAINED = "abstained"

_TINY = 1e-6  # no probability is taken for smaller, or for closer to 1
_LEAST = 0.1  # log-odds for each unit of log(windows), at least
_ERRS = 0.01  # of windows, however sure they are, at least so many are wrong


@dataclass(frozen=True)
class WindowPrediction:
    """What one window votes for.

    start: seconds. genre and its probability: None where the window is silent and does not vote.
    """

    start: float
    genre: str | None
    probability: float | None


@dataclass(frozen=True)
class Prediction:
    """The verdict on a track, or on an album.

    genre: None when abstaining, and then `reason` says why.
    confidence: calibrated probability that the winner of the vote is right; None without a vote, or
        where it is not finite.
    votes: windows for each genre that has any, most first; of an album, tracks, and last those that
        `ABSTAINED`.
    probabilities: of every genre, the average of the windows or tracks; empty without a vote.
    novelty: the logarithm of how far the track is from the music that the model was fitted on; None
        of an album and without a vote.
    windows: in the order of time; none of an album.
    styles: see `genremodel.styles`; the vote has none, the classifier adds them.
    model: the id of the model that said so.
    """

    genre: str | None
    confidence: float | None
    reason: AbstainReason | None
    votes: dict[str, int]
    probabilities: dict[str, float]
    novelty: float | None
    windows: tuple[WindowPrediction, ...]
    styles: tuple[str, ...]
    model: str


@dataclass(frozen=True)
class Calibration:
    """The probability that a genre is right: logistic regression, fitted on artists never heard.

    After Platt, "Probabilistic outputs for support vector machines", 1999, with what else tells
    right from wrong: log-odds = intercept + probability * logit(a genre's mean probability)
    + novelty * the track's novelty + windows * log(how many voted).
    typical: the novelty of half of the known tracks.
    """

    intercept: float
    probability: float
    novelty: float
    windows: float
    typical: float

    def confidence(
        self, probability: ArrayLike, novelty: ArrayLike, windows: ArrayLike
    ) -> NDArray[np.float64]:
        """Return the confidence in genres from their mean probabilities, of the same shape.

        novelty, windows: of the track, or of the same shape. One window alone is at most 0.99 sure.
        """
        odds, far, many = evidence(probability, novelty, windows)
        log_odds = (
            self.intercept + self.probability * odds + self.novelty * far + self.windows * many
        )
        return np.minimum(expit(log_odds), 1 - _ERRS ** np.asarray(windows, np.float64))

    def favoring_many_windows(self, kept: int = DEFAULT_WINDOWS) -> Calibration:
        """Return a calibration by which fewer windows are less sure, all else being equal.

        kept: the number of windows whose confidence stays the same.
        """
        if self.windows >= _LEAST:
            return self
        shift = (self.windows - _LEAST) * float(np.log(kept))
        return replace(self, windows=_LEAST, intercept=round(self.intercept + shift, 3))


def evidence(
    probability: ArrayLike, novelty: ArrayLike, windows: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return what a calibration reads: log-odds of mean probabilities, novelty, log of windows."""
    odds = logit(np.clip(probability, _TINY, 1 - _TINY))
    return odds, np.asarray(novelty, np.float64), np.log(windows)


@dataclass(frozen=True)
class DecisionParams:
    """How a model's probabilities become a verdict; fitted with the model, kept beside it.

    genres: their names, in the order of the probabilities.
    prior: (genres,) their shares among the training tracks, the last resort in a tie.
    min_confidence: below it the verdict is to abstain.
    """

    genres: tuple[str, ...]
    prior: tuple[float, ...]
    calibration: Calibration
    min_confidence: float
    model: str

    def without(self, ignored: Collection[str]) -> DecisionParams:
        """Return the rules among the other genres, however they are capitalised."""
        ignored = {genre.casefold() for genre in ignored}
        shares = dict(zip(self.genres, self.prior, strict=True))
        kept = {genre: share for genre, share in shares.items() if genre.casefold() not in ignored}
        return replace(self, genres=tuple(kept), prior=tuple(kept.values()))


def verdict(
    probabilities: NDArray[np.float64], novelty: float, rules: DecisionParams, vote: Aggregation
) -> tuple[int, float]:
    """Return the winning genre's index and the confidence that it is right, before abstaining.

    probabilities: (windows, genres), at least one window. novelty: of the track.
    """
    index = winner(probabilities, rules.prior, vote)
    mean = probabilities[:, index].mean()
    return index, float(rules.calibration.confidence(mean, novelty, len(probabilities)))


def winner(probabilities: NDArray[np.float64], prior: Sequence[float], vote: Aggregation) -> int:
    """Return the index of the winning genre.

    probabilities: (windows, genres), at least one window.
    By majority each window votes for its most probable genre; a tie goes to the higher summed
    probability, then to the prior, then to the first. By mean the summed probability decides.
    """
    summed = probabilities.sum(axis=0)
    votes = vote_counts(probabilities) if vote == "majority" else np.zeros_like(summed)
    # Sorted by the last key, then by the one before it, and so on.
    keys = np.stack([-np.arange(len(summed)), np.asarray(prior), summed.round(9), votes])
    return int(np.lexsort(keys)[-1])


def vote_counts(probabilities: NDArray[np.float64]) -> NDArray[np.int_]:
    """Return how many windows vote for each genre. (windows, genres) to (genres,)."""
    return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])


def decide(
    probabilities: NDArray[np.float64],
    novelty: float,
    starts: NDArray[np.float64],
    audible: NDArray[np.bool_],
    rules: DecisionParams,
    *,
    vote: Aggregation = "majority",
    min_confidence: float | None = None,
) -> Prediction:
    """Hold the vote over the audible windows of a track.

    probabilities: (audible windows, genres), at least one window. novelty: of the track.
    starts: (windows,) seconds. audible: (windows,).
    min_confidence: in [0, 1]; by default that of the rules.
    """
    counts = vote_counts(probabilities)
    mean = probabilities.mean(axis=0)
    index, confidence = verdict(probabilities, novelty, rules, vote)
    votes = {genre: int(n) for genre, n in zip(rules.genres, counts, strict=True) if n}
    probabilities_of = dict(zip(rules.genres, mean.tolist(), strict=True))
    threshold = rules.min_confidence if min_confidence is None else min_confidence
    reason: AbstainReason | None = None
    if not novelty < NO_MUSIC:  # so that NaN is not taken for music, nor for sure enough
        reason = "unfamiliar"
    elif not confidence >= threshold:
        typical = rules.calibration.typical
        familiar = rules.calibration.confidence(mean[index], typical, len(probabilities))
        if novelty > typical and familiar >= threshold:
            reason = "unfamiliar"
        else:
            reason = _doubt(votes if vote == "majority" else {})
    return Prediction(
        genre=None if reason else rules.genres[index],
        confidence=None if isnan(confidence) else confidence,
        reason=reason,
        votes=_ranked(votes, probabilities_of),
        probabilities=probabilities_of,
        novelty=novelty,
        windows=_windows(starts, audible, probabilities, rules),
        styles=(),
        model=rules.model,
    )


def abstain_silent(
    starts: NDArray[np.float64], audible: NDArray[np.bool_], rules: DecisionParams
) -> Prediction:
    """Return the verdict on a track without an audible window. starts, audible: (windows,)."""
    reason: AbstainReason = "silence" if len(starts) else "too short"
    windows = _windows(starts, audible, np.empty((0, len(rules.genres))), rules)
    return Prediction(None, None, reason, {}, {}, None, windows, (), rules.model)


def _windows(
    starts: NDArray[np.float64],
    audible: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    rules: DecisionParams,
) -> tuple[WindowPrediction, ...]:
    heard = iter(probabilities)

    def window(start: float) -> WindowPrediction:
        row = next(heard)
        return WindowPrediction(start, rules.genres[int(row.argmax())], float(row.max()))

    return tuple(
        window(start) if voting else WindowPrediction(start, None, None)
        for start, voting in zip(starts.tolist(), audible, strict=True)
    )


def decide_album(
    tracks: Sequence[Prediction], rules: DecisionParams, *, min_confidence: float | None = None
) -> Prediction:
    """Hold the vote over the tracks of an album.

    The vote of a track is the confidence in each genre, whatever its length and however many of its
    windows are silent; silent tracks and what is no music have none. The confidence is their mean.
    """
    votes = Counter(track.genre for track in tracks)
    abstained = {ABSTAINED: votes.pop(None)} if None in votes else {}
    reasons = Counter(track.reason for track in tracks if track.reason)
    voting = [t for t in tracks if t.novelty is not None and t.novelty < NO_MUSIC]
    if not voting:
        reason = reasons.most_common(1)[0][0] if reasons else "silence"
        return Prediction(None, None, reason, abstained, {}, None, (), (), rules.model)
    probabilities = np.array([[*track.probabilities.values()] for track in voting])
    confidences = np.stack(
        [
            rules.calibration.confidence(row, track.novelty or 0.0, sum(track.votes.values()))
            for row, track in zip(probabilities, voting, strict=True)
        ]
    )
    index = winner(confidences, rules.prior, "mean")
    confidence = float(confidences[:, index].mean())
    mean = dict(zip(rules.genres, probabilities.mean(axis=0).tolist(), strict=True))
    counts = {name: count for name, count in votes.items() if name}
    threshold = rules.min_confidence if min_confidence is None else min_confidence
    doubted = not confidence >= threshold  # NaN is not sure enough
    return Prediction(
        genre=None if doubted else rules.genres[index],
        confidence=None if isnan(confidence) else confidence,
        reason=(_doubt(counts) if counts else reasons.most_common(1)[0][0]) if doubted else None,
        votes=_ranked(counts, mean) | abstained,
        probabilities=mean,
        novelty=None,
        windows=(),
        styles=(),
        model=rules.model,
    )


def _doubt(votes: dict[str, int]) -> AbstainReason:
    """Tell why a verdict that is not confident enough is not."""
    tied = [*votes.values()].count(max(votes.values(), default=0)) > 1
    return "tie" if tied else "low confidence"


def _ranked(votes: dict[str, int], probabilities: dict[str, float]) -> dict[str, int]:
    """Return the votes, most first, then the more probable genre."""
    return dict(sorted(votes.items(), key=lambda vote: (-vote[1], -probabilities[vote[0]])))
