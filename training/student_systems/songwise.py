"""From an estimator of single rows to one of songs: by their segments, or by whole songs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import has_fit_parameter


class Songwise(ClassifierMixin, BaseEstimator):
    """Classifies songs, given as segments, by an estimator of rows.

    estimator: anything with fit, predict_proba and classes_.
    prepare: from (rows, segments, ...) to what the estimator reads of each row.
    by_segment: every segment is a row, and the probabilities of a song's rows are averaged;
    otherwise a song is a row.
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
    ) -> Songwise:
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
        """Return (songs, genres), rows sum to 1."""
        probabilities = np.asarray(self.estimator.predict_proba(self._prepared(X)), np.float64)
        means: NDArray[np.float64] = probabilities.reshape(len(X), -1, len(self.classes_)).mean(1)
        return means

    def predict(self, X: NDArray[Any]) -> NDArray[np.str_]:
        """Return the likeliest genre of each song, of equals the one with more training songs."""
        likeliest = np.argmax(self.predict_proba(X).round(6) + 1e-7 * self.prior_, axis=1)
        predicted: NDArray[np.str_] = self.classes_[likeliest]
        return predicted

    def _prepared(self, X: NDArray[Any]) -> NDArray[Any]:
        return self.prepare(X.reshape(-1, 1, *X.shape[2:]) if self.by_segment else X)


class Ensemble(ClassifierMixin, BaseEstimator):
    """Averages the probabilities of several estimators that read the same rows."""

    def __init__(self, estimators: Sequence[Any]) -> None:
        self.estimators = estimators

    def fit(
        self, X: NDArray[Any], y: NDArray[np.str_], groups: NDArray[np.str_] | None = None
    ) -> Ensemble:
        """Fit each. X: (rows, ...). y: (rows,) genres. groups: (rows,), see `Fold`."""
        self.classes_ = np.unique(y)
        for estimator in self.estimators:
            estimator.fit(X, y, groups=groups)
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return (rows, genres), rows sum to 1."""
        all_of_them = np.stack([estimator.predict_proba(X) for estimator in self.estimators])
        mean: NDArray[np.float64] = all_of_them.mean(axis=0)
        return mean


def joined(segments: NDArray[Any]) -> NDArray[Any]:
    """Return segments end to end: (rows, segments, bands, frames) to (rows, bands, frames)."""
    rows, _, bands, _ = segments.shape
    return segments.swapaxes(1, 2).reshape(rows, bands, -1)


def single(segments: NDArray[Any]) -> NDArray[Any]:
    """Return rows of one segment each: (rows, 1, columns) to (rows, columns)."""
    return segments[:, 0]
