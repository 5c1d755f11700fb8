"""The KNN fallback: k nearest neighbors on librosa features, after linear discriminant analysis."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from genremodel.audio.params import SAMPLE_RATE
from genremodel.audio.windows import Windows
from genremodel.models import bundled
from genremodel.models.base import WindowProbabilities
from genremodel.models.bundled import KNN_FILE
from genremodel.models.lda import lda_projection
from genremodel.models.nonmusic import is_nonmusic
from genremodel.models.novelty import NONMUSIC_NOVELTY, log_distance

_FFT_SIZE = 1024  # samples: 64 ms
_HOP_SIZE = 512
_STATISTICS = 3  # of each descriptor over the frames of a window
_TINY = 1e-6  # keeps logarithms finite
_MIN_DISTANCE = 1e-9  # of copies of one track
_LARGEST_TABLE = 1 << 20  # distances at a time

# The number of descriptors in each group, in the order of the features.
GROUPS: Mapping[str, int] = {
    "chroma": 12,
    "tonnetz": 6,
    "loudness": 1,
    "onsets": 1,
    "zero crossings": 1,
    "spectral shape": 4,
    "spectral contrast": 7,
    "mel bands": 8,
    "MFCCs": 20,
}


def window_features(
    samples: NDArray[np.float32], groups: Collection[str] = tuple(GROUPS)
) -> NDArray[np.float32]:
    """Return statistics of librosa descriptors for each window.

    For each descriptor: its mean over the frames, the logarithm of its standard deviation, and the
    logarithm of the standard deviation of its differences between frames. Harmonic-percussive
    separation is left out: it takes longer than everything else together.

    Parameters
    ----------
    samples : (windows, WINDOW_SAMPLES)
        Mono at `SAMPLE_RATE`.
    groups : collection of str
        Keys of `GROUPS`. Their order does not matter.

    Returns
    -------
    (windows, features)

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, 48_000)).astype(np.float32)
    >>> window_features(noise, ["loudness", "MFCCs"]).shape
    (2, 63)
    """
    ordered = [group for group in GROUPS if group in groups]
    return np.stack([_features(window, ordered) for window in samples])


def features_version(groups: Iterable[str]) -> str:
    """Return the version of the features of some groups."""
    return f"librosa features 2: {', '.join(groups)}"


def group_mask(groups: Collection[str]) -> NDArray[np.bool_]:
    """Return which of the features of all groups belong to some groups: (features,).

    Examples
    --------
    >>> int(group_mask(["loudness", "MFCCs"]).sum())
    63
    """
    descriptors = [group in groups for group, size in GROUPS.items() for _ in range(size)]
    return np.tile(descriptors, _STATISTICS)


def _features(samples: NDArray[np.float32], groups: list[str]) -> NDArray[np.float32]:
    """Return the features of one window."""
    compute = _descriptors(samples)
    series = np.vstack([compute[group]() for group in groups])
    spread, change = series.std(axis=1), np.diff(series, axis=1).std(axis=1)
    statistics = [series.mean(axis=1), np.log(spread + _TINY), np.log(change + _TINY)]
    return np.concatenate(statistics).astype(np.float32)


def _descriptors(samples: NDArray[np.float32]) -> dict[str, Callable[[], NDArray[Any]]]:
    """Return functions that compute the descriptors of each group, (descriptors, frames)."""
    from librosa import feature, onset, power_to_db, stft

    magnitude = np.abs(stft(samples, n_fft=_FFT_SIZE, hop_length=_HOP_SIZE))
    power = np.square(magnitude)
    mel = power_to_db(feature.melspectrogram(S=power, sr=SAMPLE_RATE))
    # The tuning is fixed: estimating it for 3 s is slow and often wrong.
    chroma = feature.chroma_stft(S=power, sr=SAMPLE_RATE, n_fft=_FFT_SIZE, tuning=0.0)
    size: dict[str, Any] = {"frame_length": _FFT_SIZE}
    return {
        "chroma": lambda: chroma,
        "tonnetz": lambda: feature.tonnetz(chroma=chroma),
        "loudness": lambda: power_to_db(np.square(feature.rms(S=magnitude, **size)), top_db=None),
        "onsets": lambda: onset.onset_strength(S=mel, sr=SAMPLE_RATE)[np.newaxis],
        "zero crossings": lambda: feature.zero_crossing_rate(samples, hop_length=_HOP_SIZE, **size),
        "spectral shape": lambda: np.vstack(
            [
                feature.spectral_centroid(S=magnitude, sr=SAMPLE_RATE),
                feature.spectral_bandwidth(S=magnitude, sr=SAMPLE_RATE),
                feature.spectral_rolloff(S=magnitude, sr=SAMPLE_RATE),
                np.log(feature.spectral_flatness(S=magnitude) + _TINY),
            ]
        ),
        "spectral contrast": lambda: feature.spectral_contrast(
            S=magnitude, sr=SAMPLE_RATE, fmin=100.0
        ),
        "mel bands": lambda: mel.reshape(GROUPS["mel bands"], -1, mel.shape[1]).mean(axis=1),
        "MFCCs": lambda: feature.mfcc(S=mel, sr=SAMPLE_RATE, n_mfcc=GROUPS["MFCCs"]),
    }


class KnnClassifier:
    """K nearest neighbors, weighted by 1 / distance, after linear discriminant analysis (LDA).

    Without LDA, the many uninformative features would drown the few informative ones.

    Parameters
    ----------
    features : (samples, features)
        The training data.
    genre : (samples,)
        Indices below `genres`, at least two of them.
    genres : int
        The number of genres.
    neighbors : int
        K; at most all samples are used.

    Examples
    --------
    >>> features = np.random.default_rng(0).normal(size=(20, 3))
    >>> knn = KnnClassifier(features, np.arange(20) % 2, genres=2, neighbors=5)
    >>> knn.predict_proba(features[:4]).shape
    (4, 2)
    """

    def __init__(
        self,
        features: NDArray[np.floating[Any]],
        genre: NDArray[np.integer[Any]],
        genres: int,
        neighbors: int,
    ) -> None:
        self.features = features
        self.genre = genre
        self.neighbors = min(neighbors, len(features))
        self._one_hot = np.eye(genres)[genre]
        features = features.astype(np.float64)
        self._center = features.mean(axis=0)
        self._projection = lda_projection(features, genre)
        self._points = self._project(features)

    def predict_with_distances(
        self, features: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return genre probabilities and the distances of the neighbors.

        No genre has a probability of 0: there is one more neighbor that belongs to all genres in
        equal parts.

        Parameters
        ----------
        features : (samples, features)
            The samples to classify.

        Returns
        -------
        (samples, genres), (samples, K)

        Raises
        ------
        ValueError
            If a feature is not finite.
        """
        points = self._project(features)
        parts = np.array_split(points, -(-len(points) * len(self._points) // _LARGEST_TABLE) or 1)
        nearest = np.concatenate([self._nearest(part) for part in parts])
        distances = np.linalg.norm(points[:, np.newaxis] - self._points[nearest], axis=2)
        weights = 1 / np.maximum(distances, _MIN_DISTANCE)[:, :, np.newaxis]
        shares = (weights * self._one_hot[nearest]).sum(axis=1) / weights.sum(axis=1)
        probabilities = (self.neighbors * shares + 1 / shares.shape[1]) / (self.neighbors + 1)
        return probabilities, distances

    def predict_proba(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return genre probabilities: (samples, features) to (samples, genres)."""
        return self.predict_with_distances(features)[0]

    def _project(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return points whose distances are those of the samples: (samples, directions)."""
        if not np.isfinite(features).all():
            raise ValueError("features are not finite")
        points: NDArray[np.float64] = (features - self._center) @ self._projection
        return points

    def _nearest(self, points: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the indices of the nearest neighbors: (points, K)."""
        # Squared distances, without a term that is the same for all neighbors.
        ranks = np.square(self._points).sum(axis=1) - 2 * points @ self._points.T
        nearest = np.empty((len(points), self.neighbors), np.intp)
        rows = np.arange(len(points))
        for column in nearest.T:  # for small K faster than sorting or partitioning
            column[:] = ranks.argmin(axis=1)
            ranks[rows, column] = np.inf
        return nearest


def predict_features(
    knn: KnnClassifier, nonmusic: NDArray[np.float64], features: NDArray[np.floating[Any]]
) -> WindowProbabilities:
    """Return genre probabilities and novelty of a track from features of its audible windows.

    Parameters
    ----------
    knn : KnnClassifier
        The novelty is the logarithm of the mean distance of its neighbors.
    nonmusic : (features + 1,)
        Weights for `is_nonmusic`.
    features : (windows, features)
        Of the track.
    """
    probabilities, distances = knn.predict_with_distances(features)
    if is_nonmusic(nonmusic, features):
        return WindowProbabilities(probabilities, NONMUSIC_NOVELTY)
    return WindowProbabilities(probabilities, log_distance(distances.mean()))


class KnnBackend:
    """The bundled k nearest neighbors on librosa features.

    Parameters
    ----------
    features_only : bool
        Do not fit the classifier: workers do not need it. `predict_proba` is then not available.

    Raises
    ------
    ImportError
        If librosa cannot be imported.
    ModelError
        If a file of the model cannot be loaded.

    Examples
    --------
    >>> KnnBackend().params.model.startswith("bundled-knn")
    True
    """

    name: Literal["knn"] = "knn"

    def __init__(self, *, features_only: bool = False) -> None:
        try:
            import librosa.feature  # noqa: F401  # fail here rather than at the first track
        except ImportError as exc:
            raise ImportError(f"it needs librosa: pip install librosa ({exc})") from exc
        self.params = bundled.bundled_params("knn")
        stored = bundled.arrays(KNN_FILE)
        self.groups: list[str] = stored["groups"].tolist()
        self.neighbors = int(stored["neighbours"])
        self._nonmusic = stored["nonmusic"]
        if not features_only:
            self._knn = KnnClassifier(
                stored["features"], stored["genre"], len(self.params.genres), self.neighbors
            )
        self.features_version = features_version(self.groups)

    def analyze(self, windows: Windows) -> NDArray[np.float32]:
        """Return librosa features: (windows, features)."""
        return window_features(windows.samples, self.groups)

    def predict_proba(self, values: NDArray[np.floating[Any]]) -> WindowProbabilities:
        """Return the genre probabilities of the audible windows of a track."""
        return predict_features(self._knn, self._nonmusic, values)
