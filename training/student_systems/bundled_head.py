"""The first genre head of the bundled model, fitted on the data of the baselines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight

from genremodel.models.heads import fit_linear_head, tag_logits
from training.hyperparameters import HYPERPARAMETERS
from training.student_systems.baseline import Baseline
from training.student_systems.song_classifier import SongClassifier, single


class GenreHead(ClassifierMixin, BaseEstimator):
    """Logistic regression on tag logits, without weights by artist."""

    def __init__(self, regularization: float = HYPERPARAMETERS.msd_c) -> None:
        self.regularization = regularization

    def fit(self, X: NDArray[np.float32], y: NDArray[np.str_]) -> GenreHead:
        """Fit the head. X: (samples, TAGS). y: (samples,) genres."""
        self.classes_, genre = np.unique(y, return_inverse=True)
        weight = compute_sample_weight("balanced", y)
        self.head_ = fit_linear_head(
            tag_logits(X), genre, weight, len(self.classes_), self.regularization
        )
        self.coef_, self.intercept_ = self.head_.weight, self.head_.bias
        return self

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return probabilities, (samples, genres)."""
        return self.head_.predict_proba(tag_logits(X))


BASELINES = (
    Baseline(
        "bundled-head",
        0,
        "bundled head",
        "activations",
        lambda _: SongClassifier(GenreHead(), single),
    ),
)
