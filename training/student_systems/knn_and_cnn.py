"""System 1: K nearest neighbors, a CNN on images of mel spectrograms, and the planned ensemble.

Features: mean and variance over 3 s or 30 s. The images of 4x288x432 were plots of spectrograms;
here the network reads the mel bands themselves, 3 s at a time. No run is discarded, while the
authors discarded those with an accuracy below 0.25 at epoch 13.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.student_systems.baseline import Baseline
from training.student_systems.descriptors import moments
from training.student_systems.descriptors_and_rnn import frame_gru
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.song_classifier import Ensemble, SongClassifier, joined

_REPORTED = {3: {10: 0.868, 20: 0.811, 100: 0.692}, 30: {10: 0.627, 20: 0.573, 100: 0.447}}


class _AtMostAllNeighbors(KNeighborsClassifier):
    """K nearest neighbors, or all examples if there are fewer, as with `--quick`."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def fit(self, X: NDArray[np.float32], y: NDArray[np.str_]) -> _AtMostAllNeighbors:
        self.n_neighbors = min(self.most, len(X))
        return super().fit(X, y)


def _knn(neighbors: int, seconds: int, _checkpoints: Path | None) -> SongClassifier:
    knn = _AtMostAllNeighbors(neighbors)
    return SongClassifier(make_pipeline(StandardScaler(), knn), moments, by_segment=seconds == 3)


def _picture_cnn(checkpoints: Path | None) -> NetworkClassifier:
    return NetworkClassifier(
        "picture_cnn", weight_decay=1e-3, epochs=18, patience=4, checkpoints=checkpoints
    )


BASELINES = (
    *(
        Baseline(
            f"knn-{seconds}s-{k}",
            1,
            f"KNN, K = {k}, {seconds} s",
            "descriptors",
            partial(_knn, k, seconds),
            reported,
        )
        for seconds, figures in _REPORTED.items()
        for k, reported in figures.items()
    ),
    Baseline(
        "picture-cnn",
        1,
        "CNN on spectrogram images",
        "mel",
        lambda folder: SongClassifier(_picture_cnn(folder), joined),
        0.533,
    ),
    Baseline(
        "cnn-rnn-ensemble",
        1,
        "CNN + RNN ensemble (planned)",
        "mel",
        lambda folder: SongClassifier(Ensemble([_picture_cnn(folder), frame_gru(folder)]), joined),
    ),
)
