"""K nearest neighbours under the metric that tells the genres apart best."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_SHRINKAGE = 0.3  # of the covariances, towards the diagonal: features are many, tracks few
_NEAREST = 1e-9  # the distance of what is one and the same


class Neighbours:
    """Names the genre that the nearest known rows have, the nearer ones weighing more.

    Distances are taken after linear discriminant analysis: without it the many features that say
    little drown the few.
    features: (rows, features). genre: (rows,) indices below `genres`; two of them at least occur.
    neighbours: K, or as many rows as there are.
    """

    def __init__(
        self,
        features: NDArray[np.floating[Any]],
        genre: NDArray[np.integer[Any]],
        genres: int,
        neighbours: int,
    ) -> None:
        self.features = features
        self.genre = genre
        self.neighbours = min(neighbours, len(features))
        self._votes = np.eye(genres)[genre]
        analysis = LinearDiscriminantAnalysis(solver="eigen", shrinkage=_SHRINKAGE)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Only one sample available")  # of a genre
            self._metric = make_pipeline(StandardScaler(), analysis).fit(features, genre)
        self._known = NearestNeighbors(n_neighbors=self.neighbours)
        self._known.fit(self._metric.transform(features))

    def vote(
        self, rows: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the probabilities of genres and the distances of neighbours.

        rows: (rows, features). Returns (rows, genres) and (rows, K). There is one more neighbour,
        of every genre in equal parts: none is ever impossible.
        """
        distances, nearest = self._known.kneighbors(self._metric.transform(rows))
        weights = 1 / np.maximum(distances, _NEAREST)[:, :, np.newaxis]
        shares = (weights * self._votes[nearest]).sum(axis=1) / weights.sum(axis=1)
        probabilities = (self.neighbours * shares + 1 / shares.shape[1]) / (self.neighbours + 1)
        return probabilities, distances

    def predict_proba(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the probability of each genre: (rows, features) to (rows, genres)."""
        return self.vote(rows)[0]
