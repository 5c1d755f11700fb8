"""Confidence calibration (Platt scaling) on predictions for unseen artists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genremodel.audio.places import DEFAULT_WINDOWS, evenly_spaced
from genremodel.models._special import expit, logit

# The window counts that a calibration is fitted for: it must hold for short tracks too.
WINDOW_COUNTS = (1, 3, DEFAULT_WINDOWS)

_TINY = 1e-6  # probabilities are clipped to [_TINY, 1 - _TINY]
_MIN_WINDOWS_SLOPE = 0.1  # log-odds for each unit of log(windows)
_MIN_WINDOW_ERROR = 0.01  # the confidence in n windows is at most 1 - _MIN_WINDOW_ERROR ** n
_BINS = 5


@dataclass(frozen=True)
class Calibration:
    """Logistic regression from a mean genre probability to the probability of being right.

    ``log-odds = intercept + probability * logit(p) + novelty * v + windows * log(n)``, where p is
    the mean probability of a genre over n windows and v the novelty of the track.

    Parameters
    ----------
    intercept, probability, novelty, windows : float
        The coefficients.
    median_novelty : float
        The median novelty of tracks of known genres.

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines and comparisons to regularized
    likelihood methods", Advances in Large Margin Classifiers, 1999.

    Examples
    --------
    >>> calibration = Calibration(0.0, 1.0, -0.5, 0.2, median_novelty=1.5)
    >>> calibration.confidence([0.5, 0.9], novelty=1.0, windows=10).round(2)
    array([0.49, 0.9 ])
    """

    intercept: float
    probability: float
    novelty: float
    windows: float
    median_novelty: float

    def confidence(
        self, probability: ArrayLike, novelty: ArrayLike, windows: ArrayLike
    ) -> NDArray[np.float64]:
        """Return the confidence in genres with these mean probabilities.

        It never exceeds ``1 - 0.01 ** windows``.

        Parameters
        ----------
        probability : array_like
            Mean probabilities of any shape.
        novelty, windows : array_like
            Of the track: scalars, or of the same shape.

        Returns
        -------
        Array of the same shape, in [0, 1].
        """
        odds, distance, count = calibration_features(probability, novelty, windows)
        log_odds = (
            self.intercept
            + self.probability * odds
            + self.novelty * distance
            + self.windows * count
        )
        limit = 1 - _MIN_WINDOW_ERROR ** np.asarray(windows, np.float64)
        return np.minimum(expit(log_odds), limit)

    def favoring_many_windows(self, kept: int = DEFAULT_WINDOWS) -> Calibration:
        """Return a calibration with less confidence in fewer windows, all else being equal.

        Parameters
        ----------
        kept : int
            The number of windows for which the confidence stays the same.
        """
        if self.windows >= _MIN_WINDOWS_SLOPE:
            return self
        shift = (self.windows - _MIN_WINDOWS_SLOPE) * float(np.log(kept))
        intercept = round(self.intercept + shift, 3)
        return replace(self, windows=_MIN_WINDOWS_SLOPE, intercept=intercept)


def calibration_features(
    probability: ArrayLike, novelty: ArrayLike, windows: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the predictors of a calibration: logit of the probability, novelty, log of windows."""
    odds = logit(np.clip(probability, _TINY, 1 - _TINY))
    return odds, np.asarray(novelty, np.float64), np.log(windows)


def window_subsets(windows: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield evenly spaced subsets of the windows of a track, and finally all of them.

    Examples
    --------
    >>> [subset.tolist() for subset in window_subsets(np.arange(4))]
    [[2], [0, 2, 3], [0, 1, 2, 3]]
    """
    for count in WINDOW_COUNTS:
        if count < len(windows):
            yield evenly_spaced(windows, count)
    yield windows


def fit_calibration(
    probability: NDArray[np.float64],
    novelty: NDArray[np.float64],
    windows: NDArray[np.integer[Any]],
    correct: NDArray[np.bool_],
    median_novelty: float,
) -> Calibration:
    """Fit a calibration on votes about tracks of unseen artists. Needs scikit-learn.

    Drops a predictor that the data does not support: the window count if no track has enough
    windows, novelty if its slope is positive. If the slope of the probability is not positive,
    probabilities are returned as they are. In any case, fewer windows give less confidence.

    Parameters
    ----------
    probability : (votes,)
        Mean probability of the genre with most votes.
    novelty : (votes,)
        Of the track.
    windows : (votes,)
        The number of windows that voted.
    correct : (votes,)
        Whether that genre is right.
    median_novelty : float
        Of whole tracks.
    """
    most = int(windows.max())
    plain = Calibration(0.0, 1.0, 0.0, 0.0, round(median_novelty, 3)).favoring_many_windows(most)
    if correct.all() or not correct.any():  # few tracks: there is nothing to fit
        return plain
    from sklearn.linear_model import LogisticRegression

    features = np.stack(calibration_features(probability, novelty, windows), axis=1)
    for use_novelty in (True, False):
        supported = np.array([True, use_novelty, most >= DEFAULT_WINDOWS])
        regression = LogisticRegression(C=10.0, max_iter=1000)
        regression.fit(features[:, supported], correct)
        slopes = np.zeros(3)
        slopes[supported] = regression.coef_[0]
        if slopes[1] <= 0:
            break
    if slopes[0] <= 0:
        return plain
    coefficients = [*regression.intercept_, *slopes, median_novelty]
    fitted = Calibration(*(round(float(value), 3) for value in coefficients))
    return fitted.favoring_many_windows(most)


def expected_calibration_error(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_]
) -> float:
    """Return the mean distance of confidence and accuracy over five bins of equal mass.

    Parameters
    ----------
    confidence, correct : (tracks,)
        Confidence in each prediction, and whether it is right.

    References
    ----------
    Nguyen and O'Connor, "Posterior calibration and exploratory analysis for natural language
    processing models", EMNLP 2015.

    Examples
    --------
    >>> expected_calibration_error(np.array([0.9, 0.9]), np.array([True, False]))
    0.5
    """
    gaps = [
        abs(confidence[part].mean() - correct[part].mean()) * len(part)
        for part in confidence_bins(confidence)
    ]
    return float(sum(gaps) / len(correct))


def confidence_bins(confidence: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Return the indices of tracks in bins of equal size, in ascending order of confidence."""
    order = np.argsort(confidence, kind="stable")
    return [part for part in np.array_split(order, _BINS) if len(part)]
