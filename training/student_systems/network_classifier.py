"""Networks as scikit-learn estimators."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedGroupKFold

INNER_FOLDS = 8  # one of them is held out for early stopping


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """A network fitted by Adam with early stopping on an inner split.

    Parameters
    ----------
    network
        A key of `networks.NETWORKS`.
    epochs
        The maximum number of epochs.
    patience
        Training stops after this many epochs without a lower loss, and restores the best epoch.
    checkpoints
        Folder for the state after every epoch, so that an interrupted fit can be resumed and a
        finished one is not repeated.

    Raises
    ------
    ImportError
        By `fit`, if PyTorch is not installed.
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
        """Fit the network. X: (samples, bands, frames). y: (samples,) genres.

        groups: (samples,) groups that the inner split must not divide, if any.
        """
        from training.student_systems.trainer import Trainer

        self.classes_, target = np.unique(y, return_inverse=True)
        self.mean_ = X.mean(axis=(0, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        self.scale_ = X.std(axis=(0, 2), keepdims=True, dtype=np.float64).astype(np.float32) + 1e-6
        folds = StratifiedGroupKFold(INNER_FOLDS, shuffle=True, random_state=self.seed)
        train, stop = next(folds.split(X, target, np.arange(len(X)) if groups is None else groups))
        trainer = Trainer(shape=X.shape[1:], genres=len(self.classes_), **self._hyperparameters())
        trainer.fit(
            (self._standardize(X[train]), target[train]),
            (self._standardize(X[stop]), target[stop]),
            self.checkpoints / f"{self._fingerprint(X, y, train)}.pt" if self.checkpoints else None,
        )
        self.module_, self.history_ = trainer.module, trainer.history
        self.seconds_ = trainer.seconds
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return probabilities, (samples, genres)."""
        from training.student_systems.trainer import predict_proba

        return predict_proba(self.module_, self._standardize(X))

    def _hyperparameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = self.get_params()
        del parameters["checkpoints"]
        return parameters

    def _standardize(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Scale each band to mean 0 and standard deviation 1 over the training samples."""
        standardized: NDArray[np.float32] = (X.astype(np.float32) - self.mean_) / self.scale_
        return standardized

    def _fingerprint(self, X: NDArray[Any], y: NDArray[np.str_], train: NDArray[np.intp]) -> str:
        """Return a hash of everything that the state after an epoch depends on."""
        settings = {**self._hyperparameters(), "checkpoints": None}
        digest = hashlib.sha256(repr((sorted(settings.items()), X.shape)).encode())
        for array in (X, y, train):
            digest.update(np.ascontiguousarray(array).tobytes())
        return f"{self.network}-{digest.hexdigest()[:16]}"
