"""How sure a model shows one can be, learned from its verdicts on artists that it never heard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from genremodel.audio.params import DEFAULT_WINDOWS
from genremodel.audio.spacing import evenly_spaced
from genremodel.voting import Calibration, evidence

# A calibration is for any number of windows: tracks are judged by so many of theirs as well.
WINDOWS = (1, 3, DEFAULT_WINDOWS)
_BINS = 5


def parts(windows: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield some of the windows of a track, evenly spread, and last all of them."""
    for count in WINDOWS:
        if count < len(windows):
            yield evenly_spaced(windows, count)
    yield windows


def fit_calibration(
    probability: NDArray[np.float64],
    novelty: NDArray[np.float64],
    windows: NDArray[np.integer[Any]],
    right: NDArray[np.bool_],
    typical: float,
) -> Calibration:
    """Fit how likely the winner of a vote is to be right.

    All are (votes,): the winner's mean probability, the novelty and the number of windows of a
    track, and whether the winner is right. typical: as `Calibration` has it.
    What the votes cannot tell has no say: many windows where none has them, and novelty where the
    farther ones happen to be right. Where they tell nothing, probabilities are taken as they are.
    In any case, fewer windows give less confidence.
    """
    most = int(windows.max())
    plain = Calibration(0.0, 1.0, 0.0, 0.0, round(typical, 3)).favoring_many_windows(most)
    if right.all() or not right.any():  # of very little music: nothing to learn from
        return plain
    known = np.stack(evidence(probability, novelty, windows), axis=1)
    many = most >= DEFAULT_WINDOWS
    for far in (True, False):
        supported = np.array([True, far, many])
        regression = LogisticRegression(C=10.0, max_iter=1000)
        regression.fit(known[:, supported], right)
        slopes = np.zeros(3)
        slopes[supported] = regression.coef_[0]
        if slopes[1] <= 0:
            break
    if slopes[0] <= 0:  # the less probable would be the surer
        return plain
    coefficients = [*regression.intercept_, *slopes, typical]
    fitted = Calibration(*(round(float(value), 3) for value in coefficients))
    return fitted.favoring_many_windows(most)


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error with five bins of equal mass.

    Nguyen and O'Connor, "Posterior calibration and exploratory analysis for natural language
    processing models", EMNLP 2015. confidence, right: (tracks,).
    """
    gaps = [
        abs(confidence[part].mean() - right[part].mean()) * len(part)
        for part in confidence_bins(confidence)
    ]
    return float(sum(gaps) / len(right))


def confidence_bins(confidence: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Return the tracks by confidence, in parts of one size."""
    order = np.argsort(confidence, kind="stable")
    return [part for part in np.array_split(order, _BINS) if len(part)]
