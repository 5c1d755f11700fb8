"""Nearest neighbors after LDA: the same as by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from genremodel.models import bundled, knn
from genremodel.models.knn import KnnClassifier

RNG = np.random.default_rng(0)
GENRES, K = 4, 7
GENRE = RNG.integers(GENRES, size=90)


def samples(genre: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return samples of some genres, with features of different scales, one of them constant."""
    features = RNG.normal(size=(len(genre), 12)) + np.eye(12)[genre]
    return np.column_stack([features * 10.0 ** np.arange(-6, 6), np.full(len(genre), 0.1)])


def sorted_distances(
    training: NDArray[np.floating], genre: NDArray[np.integer], found: NDArray[np.floating]
) -> NDArray[np.float64]:
    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.3)
    transform = make_pipeline(StandardScaler(), lda).fit(training, genre)
    nearest = NearestNeighbors(n_neighbors=K).fit(transform.transform(training))
    distances: NDArray[np.float64] = nearest.kneighbors(transform.transform(found))[0]
    return distances


@pytest.mark.parametrize("largest_table", [1, 200, 1 << 20])
def test_distances_are_those_of_scikit_learn(
    largest_table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knn, "_LARGEST_TABLE", largest_table)
    training, other = samples(GENRE), samples(GENRE[:30])
    probabilities, distances = KnnClassifier(training, GENRE, GENRES, K).predict_with_distances(
        other
    )
    np.testing.assert_allclose(distances, sorted_distances(training, GENRE, other), rtol=1e-8)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_bundled_neighbors_are_those_of_scikit_learn() -> None:
    stored = bundled.arrays(bundled.KNN_FILE)
    features, genre = stored["features"].astype(np.float64), stored["genre"]
    found = features[:50] + 0.1 * RNG.normal(size=features[:50].shape) * features.std(axis=0)
    _, distances = KnnClassifier(features, genre, 11, K).predict_with_distances(found)
    np.testing.assert_allclose(distances, sorted_distances(features, genre, found), rtol=1e-8)


def test_training_samples_are_their_own_neighbors() -> None:
    training = samples(GENRE)
    _, distances = KnnClassifier(training, GENRE, GENRES, 200).predict_with_distances(training)
    assert distances.shape == (90, 90), "no more neighbors than samples"
    np.testing.assert_allclose(distances[:, 0], 0, atol=1e-9)


def test_useless_data_is_refused() -> None:
    training = samples(GENRE)
    with pytest.raises(ValueError, match="fewer than two genres"):
        KnnClassifier(training, GENRE * 0, GENRES, K)
    with pytest.raises(np.linalg.LinAlgError):  # all samples of a genre are the same
        KnnClassifier(np.array([[-1.0], [1.0]] * 9), np.array([0, 1] * 9), 2, K)
    classifier = KnnClassifier(training, GENRE, GENRES, K)
    training[0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        classifier.predict_proba(training)
