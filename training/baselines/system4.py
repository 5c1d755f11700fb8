"""System 4: a pre-trained network's verdicts, averaged, and a VGG-like network from scratch.

VGG-19 was trained on photographs; in its place stands the backbone that this project bundles,
MSD-musicnn, with plain logistic regression on its activations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from genremodel.head import tag_logits
from training.baselines.baseline import Baseline
from training.baselines.network_classifier import NetworkClassifier
from training.baselines.songwise import Songwise, joined
from training.fitting import NETWORK_REGULARISATION, fit_genres
from training.rows import Rows


class GenreHead(ClassifierMixin, BaseEstimator):
    """The first of the bundled model's heads, fitted as `training/fitting.py` does."""

    def fit(self, X: NDArray[np.float32], y: NDArray[np.str_]) -> GenreHead:
        """Fit on rows. X: (rows, ACTIVATIONS). y: (rows,) genres."""
        self.classes_ = np.unique(y)
        rows = Rows(X, y, y, y, np.ones(len(y)), np.full(len(y), "song"))
        self.head_ = fit_genres(X, rows, self.classes_, NETWORK_REGULARISATION)
        self.coef_, self.intercept_ = self.head_.weight, self.head_.bias
        return self

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (rows, genres), rows sum to 1."""
        return self.head_.predict_proba(tag_logits(X))


def _averaged() -> Songwise:
    regression = LogisticRegression(max_iter=1000)
    return Songwise(
        make_pipeline(FunctionTransformer(tag_logits), StandardScaler(), regression), _window
    )


def _window(windows: NDArray[Any]) -> NDArray[Any]:
    """Return rows of one window each: (rows, 1, ACTIVATIONS) to (rows, ACTIVATIONS)."""
    return windows[:, 0]


BASELINES = (
    Baseline(
        "pretrained",
        4,
        "pre-trained network, averaged",
        "activations",
        lambda _: _averaged(),
        0.70,
    ),
    Baseline(
        "vgg",
        4,
        "VGG-like, from scratch",
        "mel",
        lambda folder: Songwise(NetworkClassifier("vgg", checkpoints=folder), joined),
    ),
)
BUNDLED = Baseline(
    "bundled-head", 0, "bundled head", "activations", lambda _: Songwise(GenreHead(), _window)
)
