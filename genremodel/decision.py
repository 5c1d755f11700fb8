"""From the genre probabilities of windows to one genre, with a confidence or a reason for none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Vote: TypeAlias = Literal["majority", "mean"]
VOTES: tuple[Vote, ...] = get_args(Vote)
Reason: TypeAlias = Literal["low confidence", "tie", "silence"]


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
    """The verdict on a track.

    genre: None when abstaining, and then `reason` says why.
    confidence: calibrated probability that the winner of the vote is right; None without a vote.
    votes: windows for each genre that has any, most first.
    probabilities: of every genre, the average of the windows; empty without a vote.
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


def verdict(probabilities: NDArray[np.float64], rules: Rules, vote: Vote) -> tuple[int, float]:
    """Return the winning genre's index and the confidence that it is right, before abstaining.

    probabilities: (windows, genres), at least one window.
    """
    index = winner(probabilities, rules.prior, vote)
    temperature = rules.temperature / len(probabilities) ** rules.evidence
    return index, float(temper(probabilities.mean(axis=0), temperature)[index])


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
    threshold = rules.min_confidence if min_confidence is None else min_confidence
    reason: Reason | None = None
    if confidence < threshold:
        tied = vote == "majority" and np.count_nonzero(counts == counts.max()) > 1
        reason = "tie" if tied else "low confidence"
    ranked = sorted(np.flatnonzero(counts), key=lambda g: (-counts[g], -mean[g]))
    return Prediction(
        genre=None if reason else rules.genres[index],
        confidence=confidence,
        reason=reason,
        votes={rules.genres[g]: int(counts[g]) for g in ranked},
        probabilities=dict(zip(rules.genres, mean.tolist(), strict=True)),
        windows=windows,
        styles=(),
        model=rules.model,
    )
