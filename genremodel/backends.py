"""The two ways from windows to genre probabilities: the CNN, and KNN where it cannot run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from genremodel import assets
from genremodel.analysis import Analysis
from genremodel.audio import Windows
from genremodel.backbone import NETWORK, bundled_backbone
from genremodel.constants import ACTIVATIONS
from genremodel.decision import Rules
from genremodel.features import window_features
from genremodel.head import LinearHead

# Of what is done to a file before a backend sees it: decoding, placing of windows. A change that
# gives other samples takes another number, and what was analysed before is analysed anew.
FRONT_END = "windows 1"
HEAD = "head.npz"
NEIGHBOURS = "knn.npz"
_SHRINKAGE = 0.3  # of the covariances, towards the diagonal: 74 features, few hundred tracks


class Backend(Protocol):
    """Anything that gives each window of a track a probability for each genre of its rules.

    version: what an analysis depends on; one of another version is of no use.
    """

    rules: Rules
    version: str

    def analyse(self, windows: Windows) -> Analysis:
        """Do what takes long, and need not be done again."""
        ...

    def predict_proba(self, analysis: Analysis) -> NDArray[np.float64]:
        """Return (windows, genres), rows sum to 1."""
        ...


class Cnn:
    """The bundled backbone with the bundled genre head.

    Raises ImportError where onnxruntime cannot be loaded, AssetError where the model cannot.
    """

    def __init__(self) -> None:
        self.rules = bundled_rules("cnn")
        self.backbone = bundled_backbone()
        self.head = LinearHead(**assets.arrays(HEAD))
        self.version = f"{FRONT_END}, {assets.checksum(NETWORK)}"

    def analyse(self, windows: Windows) -> Analysis:
        """Return the activations and, beside them, the embedding of each window."""
        outputs = np.concatenate(self.backbone.run(windows), axis=1)
        return Analysis(windows.starts, windows.audible, outputs.astype(np.float16))

    def predict_proba(self, analysis: Analysis) -> NDArray[np.float64]:
        """Return (windows, genres), rows sum to 1."""
        return self.head.predict_proba(analysis.outputs[:, :ACTIVATIONS])


class Knn:
    """K nearest neighbours on librosa features.

    Raises ImportError where librosa or scikit-learn cannot be loaded, AssetError where the
    neighbours cannot.
    """

    def __init__(self) -> None:
        import librosa.feature  # noqa: F401  # rather now than at the first track

        self.rules = bundled_rules("knn")
        stored = assets.arrays(NEIGHBOURS)
        self.neighbours = int(stored["neighbours"])
        self.classify = fit_neighbours(stored["features"], stored["genre"], self.neighbours)
        self.version = f"{FRONT_END}, librosa features 1"

    def analyse(self, windows: Windows) -> Analysis:
        """Return the features of each window."""
        outputs = window_features(windows.samples).astype(np.float16)
        return Analysis(windows.starts, windows.audible, outputs)

    def predict_proba(self, analysis: Analysis) -> NDArray[np.float64]:
        """Return (windows, genres), rows sum to 1."""
        return self.classify(analysis.outputs.astype(np.float32))


def bundled_rules(backend: str) -> Rules:
    """Return the rules that `model.json` keeps for "cnn" or "knn"."""
    model = assets.description()
    fitted = model[backend]
    return Rules(
        genres=tuple(model["genres"]),
        prior=tuple(model["prior"]),
        temperature=fitted["temperature"],
        evidence=fitted["evidence"],
        min_confidence=fitted["min_confidence"],
        model=fitted["id"],
    )


def fit_neighbours(
    features: NDArray[np.floating[Any]], genre: NDArray[np.integer[Any]], neighbours: int
) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """Return what tells the genre probabilities of features, (rows, FEATURES) to (rows, genres).

    K nearest neighbours under the metric that tells the genres apart best.
    features: (rows, FEATURES). genre: (rows,) index. neighbours: K. Distances are taken after
    linear discriminant analysis: without it the many features that say little drown the few.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    knn = KNeighborsClassifier(n_neighbors=neighbours, weights="distance")
    metric = LinearDiscriminantAnalysis(solver="eigen", shrinkage=_SHRINKAGE)
    pipeline = make_pipeline(StandardScaler(), metric, knn).fit(features, genre)

    def classify(values: NDArray[np.float32]) -> NDArray[np.float64]:
        shares = np.asarray(pipeline.predict_proba(values), np.float64)
        # One more neighbour, of every genre in equal parts: no genre is ever impossible.
        return (neighbours * shares + 1 / shares.shape[1]) / (neighbours + 1)

    return classify
