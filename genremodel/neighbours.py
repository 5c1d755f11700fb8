"""K nearest neighbours under the metric that tells the genres apart best."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_SHRINKAGE = 0.3  # of the covariances, towards the diagonal: 74 features, few hundred tracks


class Neighbours:
    """Names the genre that the nearest known rows have, nearer ones counting more.

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
        self._genres = genres
        self.neighbours = min(neighbours, len(features))
        self._metric = make_pipeline(
            StandardScaler(), LinearDiscriminantAnalysis(solver="eigen", shrinkage=_SHRINKAGE)
        ).fit(features, genre)
        self._knn = KNeighborsClassifier(n_neighbors=self.neighbours, weights="distance")
        self._knn.fit(self._metric.transform(features), genre)

    def predict_proba(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the probability of each genre: (rows, features) to (rows, genres).

        There is one more neighbour, of every genre in equal parts: none is ever impossible.
        """
        shares = np.zeros((len(rows), self._genres))
        shares[:, self._knn.classes_] = self._knn.predict_proba(self._metric.transform(rows))
        return (self.neighbours * shares + 1 / self._genres) / (self.neighbours + 1)

    def distance(self, rows: NDArray[np.floating[Any]]) -> float:
        """Return how far the neighbours of rows are, on average."""
        return float(self._knn.kneighbors(self._metric.transform(rows))[0].mean())
