"""System 3: classic classifiers on descriptors, LSTMs over a song's segments, a GRU over frames.

The forest, the SVMs and the PCA variants read descriptors of 3 s, scaled to [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from training.student_systems.baseline import Baseline
from training.student_systems.descriptors import moment_sequence, moments
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.song_classifier import SongClassifier, joined


class SoftmaxSvc(SVC):
    """A support vector machine with a softmax over its decision values, so they can be averaged."""

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return probabilities, (samples, genres); the highest is that of the SVM's prediction."""
        probabilities: NDArray[np.float64] = softmax(self.decision_function(X), axis=1)
        return probabilities


def frame_gru(checkpoints: Path | None) -> NetworkClassifier:
    """Return the GRU over raw frames, for samples of (bands, frames)."""
    return NetworkClassifier("frame_gru", epochs=20, checkpoints=checkpoints)


def _forest(*before: Any) -> SongClassifier:
    forest = RandomForestClassifier(random_state=0)
    return SongClassifier(make_pipeline(MinMaxScaler(), *before, forest), moments)


def _svm(kernel: str) -> SongClassifier:
    return SongClassifier(make_pipeline(MinMaxScaler(), SoftmaxSvc(kernel=kernel)), moments)


def _lstm(name: str) -> Callable[[Path | None], SongClassifier]:
    return lambda folder: SongClassifier(
        NetworkClassifier(name, epochs=60, patience=10, checkpoints=folder),
        moment_sequence,
        by_segment=False,
    )


BASELINES = (
    Baseline("forest", 3, "random forest", "descriptors", lambda _: _forest(), 0.871),
    Baseline("svm-linear", 3, "SVM, linear", "descriptors", lambda _: _svm("linear")),
    Baseline("svm-poly", 3, "SVM, polynomial", "descriptors", lambda _: _svm("poly")),
    Baseline("svm-rbf", 3, "SVM, RBF", "descriptors", lambda _: _svm("rbf")),
    Baseline(
        "pca-85",
        3,
        "PCA (85% of the variance), random forest",
        "descriptors",
        lambda _: _forest(PCA(0.85, random_state=0)),
    ),
    Baseline(
        "pca-23",
        3,
        "PCA (23 components), random forest",
        "descriptors",
        lambda _: _forest(PCA(23, random_state=0)),
        0.78,
    ),
    Baseline("lstm", 3, "LSTM over segments", "descriptors", _lstm("lstm"), 0.845),
    Baseline(
        "bi-lstm",
        3,
        "Bi-LSTM over segments",
        "descriptors",
        _lstm("bi_lstm"),
        0.86,
    ),
    Baseline(
        "bi-lstm-dropout",
        3,
        "Bi-LSTM over segments, dropout 0.2",
        "descriptors",
        _lstm("bi_lstm_dropout"),
        0.86,
    ),
    Baseline(
        "frame-gru",
        3,
        "GRU over frames",
        "mel",
        lambda folder: SongClassifier(frame_gru(folder), joined),
        0.901,
    ),
)
