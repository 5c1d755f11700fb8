"""From the genre probabilities of windows to one genre, with a confidence or a reason for none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Vote: TypeAlias = Literal["majority", "mean"]
VOTES: tuple[Vote, ...] = get_args(Vote)
Reason: TypeAlias = Literal["low confidence", "tie", "silence"]
ABSTAINED = "abstained"


@dataclass(frozen=True)
class WindowGenre:
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
    confidence: calibrated probability that the winner of the vote is right; None without a vote.
    votes: windows for each genre that has any, most first; of an album, tracks, and last those that
        `ABSTAINED`.
    probabilities: of every genre, the average of the windows or tracks; empty without a vote.
    windows: in the order of time; none of an album.
    styles: see `genremodel.styles`; the vote has none, the classifier adds them.
    model: the id of the model that said so.
    """

    genre: str | None
    confidence: float | None
    reason: Reason | None
    votes: dict[str, int]
    probabilities: dict[str, float]
    windows: tuple[WindowGenre, ...]
    styles: tuple[str, ...]
    model: str


@dataclass(frozen=True)
class Rules:
    """How a model's probabilities become a verdict; fitted with the model, kept beside it.

    genres: their names, in the order of the probabilities.
    prior: (genres,) their shares among the training tracks, the last resort in a tie.
    temperature: of one window; above 1 where the model is too sure of itself.
    evidence: how much surer more windows make: the temperature of n is that of one by n**evidence.
    min_confidence: below it the verdict is to abstain.
    """

    genres: tuple[str, ...]
    prior: tuple[float, ...]
    temperature: float
    evidence: float
    min_confidence: float
    model: str

    def without(self, ignored: Collection[str]) -> Rules:
        """Return the rules among the other genres."""
        shares = dict(zip(self.genres, self.prior, strict=True))
        kept = {genre: share for genre, share in shares.items() if genre not in ignored}
        return replace(self, genres=tuple(kept), prior=tuple(kept.values()))


def verdict(probabilities: NDArray[np.float64], rules: Rules, vote: Vote) -> tuple[int, float]:
    """Return the winning genre's index and the confidence that it is right, before abstaining.

    probabilities: (windows, genres), at least one window.
    """
    index = winner(probabilities, rules.prior, vote)
    return index, float(_calibrated(probabilities.mean(axis=0), len(probabilities), rules)[index])


def winner(probabilities: NDArray[np.float64], prior: Sequence[float], vote: Vote) -> int:
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


def temper(
    probabilities: NDArray[np.float64], temperature: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Flatten (temperature > 1) or sharpen distributions along the last axis.

    Temperature scaling: Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    # Float32's smallest normal number: a probability of 0 stays possible, if barely.
    logs = np.log(np.maximum(probabilities, 1.2e-38)) / temperature
    powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
    tempered: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return tempered


def _calibrated(mean: NDArray[np.float64], windows: int, rules: Rules) -> NDArray[np.float64]:
    return temper(mean, rules.temperature / windows**rules.evidence)


def decide(
    probabilities: NDArray[np.float64],
    starts: NDArray[np.float64],
    audible: NDArray[np.bool_],
    rules: Rules,
    *,
    vote: Vote = "majority",
    min_confidence: float | None = None,
) -> Prediction:
    """Hold the vote over the audible windows of a track.

    probabilities: (windows, genres). starts: (windows,) seconds. audible: (windows,).
    min_confidence: in [0, 1]; by default that of the rules.
    """
    windows = tuple(
        WindowGenre(float(start), rules.genres[int(row.argmax())], float(row.max()))
        if heard
        else WindowGenre(float(start), None, None)
        for start, row, heard in zip(starts, probabilities, audible, strict=True)
    )
    voting = probabilities[audible]
    if not len(voting):
        return Prediction(None, None, "silence", {}, {}, windows, (), rules.model)
    counts = vote_counts(voting)
    mean = voting.mean(axis=0)
    index, confidence = verdict(voting, rules, vote)
    votes = {genre: int(n) for genre, n in zip(rules.genres, counts, strict=True) if n}
    probabilities_of = dict(zip(rules.genres, mean.tolist(), strict=True))
    reason = _doubt(confidence, votes if vote == "majority" else {}, rules, min_confidence)
    return Prediction(
        genre=None if reason else rules.genres[index],
        confidence=confidence,
        reason=reason,
        votes=_ranked(votes, probabilities_of),
        probabilities=probabilities_of,
        windows=windows,
        styles=(),
        model=rules.model,
    )


def decide_album(
    tracks: Sequence[Prediction], rules: Rules, *, min_confidence: float | None = None
) -> Prediction:
    """Hold the vote over the tracks of an album.

    The vote of a track is its calibrated probabilities, whatever its length and however many of its
    windows are silent; a track without probabilities has none. The confidence is their average.
    """
    votes = Counter(track.genre for track in tracks)
    abstained = {ABSTAINED: votes.pop(None)} if None in votes else {}
    voting = [
        _calibrated(np.array([*track.probabilities.values()]), sum(track.votes.values()), rules)
        for track in tracks
        if track.probabilities
    ]
    if not voting:
        return Prediction(None, None, "silence", abstained, {}, (), (), rules.model)
    probabilities = np.stack(voting)
    index = winner(probabilities, rules.prior, "mean")
    mean = dict(zip(rules.genres, probabilities.mean(axis=0).tolist(), strict=True))
    genre = rules.genres[index]
    counts = {name: count for name, count in votes.items() if name}
    reason = _doubt(mean[genre], counts, rules, min_confidence)
    return Prediction(
        genre=None if reason else genre,
        confidence=mean[genre],
        reason=reason,
        votes=_ranked(counts, mean) | abstained,
        probabilities=mean,
        windows=(),
        styles=(),
        model=rules.model,
    )


def _doubt(
    confidence: float, votes: dict[str, int], rules: Rules, min_confidence: float | None
) -> Reason | None:
    threshold = rules.min_confidence if min_confidence is None else min_confidence
    if confidence >= threshold:
        return None
    return (
        "tie" if [*votes.values()].count(max(votes.values(), default=0)) > 1 else "low confidence"
    )


def _ranked(votes: dict[str, int], probabilities: dict[str, float]) -> dict[str, int]:
    """Return the votes, most first, then the more probable genre."""
    return dict(sorted(votes.items(), key=lambda vote: (-vote[1], -probabilities[vote[0]])))
