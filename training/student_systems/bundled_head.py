"""This project's own genre head, fitted on what the baselines are fitted on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight

from genremodel.models.heads import fit_linear_head, tag_logits
from training.fit import RECIPE
from training.student_systems.baseline import Baseline
from training.student_systems.songwise import Songwise, single


class GenreHead(ClassifierMixin, BaseEstimator):
    """The first of the bundled model's heads, fitted without weights by artist."""

    def __init__(self, regularisation: float = RECIPE.network) -> None:
        self.regularisation = regularisation

    def fit(self, X: NDArray[np.float32], y: NDArray[np.str_]) -> GenreHead:
        """Fit on rows. X: (rows, TAGS). y: (rows,) genres."""
        self.classes_, genre = np.unique(y, return_inverse=True)
        weight = compute_sample_weight("balanced", y)
        self.head_ = fit_linear_head(
            tag_logits(X), genre, weight, len(self.classes_), self.regularisation
        )
        self.coef_, self.intercept_ = self.head_.weight, self.head_.bias
        return self

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (rows, genres), rows sum to 1."""
        return self.head_.predict_proba(tag_logits(X))


BASELINES = (
    Baseline(
        "bundled-head", 0, "bundled head", "activations", lambda _: Songwise(GenreHead(), single)
    ),
)
