"""The two ways from windows to genre probabilities: the CNN, and KNN where it cannot run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import Analysis
from genremodel.audio.decoding import PathLike, Windows, read_windows
from genremodel.models import bundled as assets
from genremodel.models.heads import GenreHeads, WindowProbabilities
from genremodel.models.librosa_features import window_features
from genremodel.models.musicnn import EXPERT, EXPERT_WINDOWS, NETWORK, MusicnnPair
from genremodel.models.novelty import NO_MUSIC, is_nonmusic, log_distance
from genremodel.voting import Calibration, DecisionParams

if TYPE_CHECKING:
    from genremodel.models.knn import Neighbours

# Of what is done to a file before a backend sees it: decoding, placing of windows. A change that
# gives other samples takes another number, and what was analysed before is analysed anew.
FRONT_END = "windows 2"
HEADS = "heads.npz"
NEIGHBOURS = "knn.npz"


class WindowClassifier(Protocol):
    """Anything that gives each window of a track a probability for each genre of its rules."""

    @property
    def rules(self) -> DecisionParams:
        """What becomes of them."""
        ...

    def judge(self, values: NDArray[np.floating[Any]]) -> WindowProbabilities:
        """Judge the audible windows of a track, at least one: (windows, values)."""
        ...


class Backend(WindowClassifier, Protocol):
    """A judge of its own analyses.

    version: what an analysis depends on; one of another version is of no use.
    """

    version: str

    def analyse(self, windows: Windows) -> NDArray[np.float32]:
        """Return what takes long to find, and need not be found again: (windows, values)."""
        ...


class CnnBackend:
    """The bundled backbones with the heads that were fitted on them.

    Raises ImportError where onnxruntime cannot be loaded, ModelError where the model cannot.
    """

    def __init__(self) -> None:
        self.rules = bundled_rules("cnn")
        self.backbones = MusicnnPair.bundled()
        self.heads = bundled_heads()
        networks = f"{assets.checksum(NETWORK)}, {assets.checksum(EXPERT)} in {EXPERT_WINDOWS}"
        self.version = f"{FRONT_END}, {networks}"

    def analyse(self, windows: Windows) -> NDArray[np.float32]:
        """Return the outputs of both networks, see `MusicnnPair`."""
        return self.backbones.run(windows)

    def judge(self, values: NDArray[np.floating[Any]]) -> WindowProbabilities:
        """Judge the audible windows of a track by both heads."""
        return self.heads.judge(values)


class KnnBackend:
    """K nearest neighbours on librosa features.

    Raises ImportError where librosa or scikit-learn cannot be loaded, ModelError where the
    neighbours cannot.
    """

    def __init__(self) -> None:
        import librosa.feature  # noqa: F401  # rather now than at the first track

        from genremodel.models.knn import Neighbours

        self.rules = bundled_rules("knn")
        stored = assets.arrays(NEIGHBOURS)
        self.groups: list[str] = stored["groups"].tolist()
        self.neighbours = int(stored["neighbours"])
        known = Neighbours(
            stored["features"], stored["genre"], len(self.rules.genres), self.neighbours
        )
        self.judge = partial(judge_features, known, stored["nonmusic"])
        self.version = f"{FRONT_END}, librosa features 2: {', '.join(self.groups)}"

    def analyse(self, windows: Windows) -> NDArray[np.float32]:
        """Return the features of each window."""
        return window_features(windows.samples, self.groups)


def hear(backend: Backend, path: PathLike, count: int) -> Analysis:
    """Return the analysis of `count` windows of a file. Raises AudioError without audio."""
    windows = read_windows(path, count)
    values = backend.analyse(windows) if len(windows.starts) else np.empty((0, 0))
    return Analysis(windows.starts, windows.audible, values.astype(np.float16))


def bundled_heads() -> GenreHeads:
    """Return the heads of the package. Raises ModelError."""
    return GenreHeads.from_arrays(assets.arrays(HEADS))


def bundled_rules(backend: str) -> DecisionParams:
    """Return the rules that `model.json` keeps for "cnn" or "knn"."""
    model = assets.description()
    fitted = model[backend]
    return DecisionParams(
        genres=tuple(model["genres"]),
        prior=tuple(model["prior"]),
        calibration=Calibration(**fitted["calibration"]),
        min_confidence=fitted["min_confidence"],
        model=fitted["id"],
    )


def judge_features(
    neighbours: Neighbours, nonmusic: NDArray[np.float64], features: NDArray[np.floating[Any]]
) -> WindowProbabilities:
    """Judge a track by the features of its audible windows, (windows, features).

    nonmusic: (features + 1,) as `is_nonmusic` has it.
    """
    probabilities, distances = neighbours.vote(features)
    if is_nonmusic(nonmusic, features):
        return WindowProbabilities(probabilities, NO_MUSIC)
    return WindowProbabilities(probabilities, log_distance(distances.mean()))
