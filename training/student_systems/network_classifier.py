"""Networks behind scikit-learn's interface."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedGroupKFold

INNER_FOLDS = 8  # of which one is for early stopping


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """Fits one of `networks` by Adam, and keeps the epoch with the least loss on an inner split.

    network: a key of `networks.NETWORKS`.
    patience: epochs without a lesser loss after which it stops; `epochs` is the most it takes.
    checkpoints: a folder where the state after every epoch is kept, so that a fit that was
    interrupted goes on with the next epoch, and one that was finished is not done again.
    Raises ImportError on fitting without PyTorch.
    """

    def __init__(
        self,
        network: str,
        *,
        batch: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        epochs: int = 15,
        patience: int = 4,
        seed: int = 0,
        checkpoints: Path | None = None,
    ) -> None:
        self.network = network
        self.batch = batch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.patience = patience
        self.seed = seed
        self.checkpoints = checkpoints

    def fit(
        self, X: NDArray[Any], y: NDArray[np.str_], groups: NDArray[np.str_] | None = None
    ) -> NetworkClassifier:
        """Fit on rows. X: (rows, bands, frames). y: (rows,) genres.

        groups: (rows,) which rows the inner split keeps together; None to divide any.
        """
        from training.student_systems import trainer as learning

        self.classes_, target = np.unique(y, return_inverse=True)
        self.mean_ = X.mean(axis=(0, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        self.scale_ = X.std(axis=(0, 2), keepdims=True, dtype=np.float64).astype(np.float32) + 1e-6
        folds = StratifiedGroupKFold(INNER_FOLDS, shuffle=True, random_state=self.seed)
        train, stop = next(folds.split(X, target, np.arange(len(X)) if groups is None else groups))
        learner = learning.Learner(self, X.shape[1:], len(self.classes_))
        learner.run(
            (self._standardised(X[train]), target[train]),
            (self._standardised(X[stop]), target[stop]),
            self.checkpoints / f"{self._fingerprint(X, y, train)}.pt" if self.checkpoints else None,
        )
        self.module_, self.history_ = learner.module, learner.history
        self.seconds_ = learner.seconds
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return (rows, genres), rows sum to 1."""
        from training.student_systems import trainer as learning

        return learning.predict_proba(self.module_, self._standardised(X))

    def _standardised(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return each band with a mean of 0 and a deviation of 1 over the training rows."""
        standardised: NDArray[np.float32] = (X.astype(np.float32) - self.mean_) / self.scale_
        return standardised

    def _fingerprint(self, X: NDArray[Any], y: NDArray[np.str_], train: NDArray[np.intp]) -> str:
        """Return what changes with anything that the state after an epoch depends on."""
        settings = {**self.get_params(), "checkpoints": None}
        digest = hashlib.sha256(repr((sorted(settings.items()), X.shape)).encode())
        for array in (X, y, train):
            digest.update(np.ascontiguousarray(array).tobytes())
        return f"{self.network}-{digest.hexdigest()[:16]}"
