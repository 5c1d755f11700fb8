"""Estimators of songs, built from estimators of samples: segments or whole songs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import has_fit_parameter


class SongClassifier(ClassifierMixin, BaseEstimator):
    """Classifies songs, given as segments, by an estimator of samples.

    Parameters
    ----------
    estimator
        A scikit-learn classifier with `predict_proba`.
    prepare
        Turns (samples, segments, ...) into the input of the estimator.
    by_segment
        Whether each segment is a sample, with the probabilities averaged over a song; otherwise a
        song is one sample.
    """

    def __init__(
        self,
        estimator: Any,
        prepare: Callable[[NDArray[Any]], NDArray[Any]],
        by_segment: bool = True,
    ) -> None:
        self.estimator = estimator
        self.prepare = prepare
        self.by_segment = by_segment

    def fit(
        self, X: NDArray[Any], y: NDArray[np.str_], groups: NDArray[np.str_] | None = None
    ) -> SongClassifier:
        """Fit on songs. X: (songs, segments, ...). y: (songs,) genres. groups: see `Fold`."""
        genres, counts = np.unique(y, return_counts=True)
        self.classes_, self.prior_ = genres, counts / counts.sum()
        rows = X.shape[1] if self.by_segment else 1
        split: dict[str, Any] = {}
        if groups is not None and has_fit_parameter(self.estimator, "groups"):
            split["groups"] = np.repeat(groups, rows)
        self.estimator.fit(self._prepared(X), np.repeat(y, rows), **split)
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return probabilities, (songs, genres)."""
        probabilities = np.asarray(self.estimator.predict_proba(self._prepared(X)), np.float64)
        means: NDArray[np.float64] = probabilities.reshape(len(X), -1, len(self.classes_)).mean(1)
        return means

    def predict(self, X: NDArray[Any]) -> NDArray[np.str_]:
        """Return the most probable genre of each song; in ties the one with more training songs."""
        best = np.argmax(self.predict_proba(X).round(6) + 1e-7 * self.prior_, axis=1)
        predicted: NDArray[np.str_] = self.classes_[best]
        return predicted

    def _prepared(self, X: NDArray[Any]) -> NDArray[Any]:
        return self.prepare(X.reshape(-1, 1, *X.shape[2:]) if self.by_segment else X)


class Ensemble(ClassifierMixin, BaseEstimator):
    """Averages the probabilities of several estimators of the same samples."""

    def __init__(self, estimators: Sequence[Any]) -> None:
        self.estimators = estimators

    def fit(
        self, X: NDArray[Any], y: NDArray[np.str_], groups: NDArray[np.str_] | None = None
    ) -> Ensemble:
        """Fit each. X: (samples, ...). y: (samples,) genres. groups: (samples,), see `Fold`."""
        self.classes_ = np.unique(y)
        for estimator in self.estimators:
            estimator.fit(X, y, groups=groups)
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return probabilities, (samples, genres)."""
        probabilities = np.stack([estimator.predict_proba(X) for estimator in self.estimators])
        mean: NDArray[np.float64] = probabilities.mean(axis=0)
        return mean


def joined(segments: NDArray[Any]) -> NDArray[Any]:
    """Concatenate segments: (samples, segments, bands, frames) to (samples, bands, frames)."""
    samples, _, bands, _ = segments.shape
    return segments.swapaxes(1, 2).reshape(samples, bands, -1)


def single(segments: NDArray[Any]) -> NDArray[Any]:
    """Drop the segment axis of samples with one segment: (samples, 1, n) to (samples, n)."""
    return segments[:, 0]
