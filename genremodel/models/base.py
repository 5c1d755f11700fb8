"""The interfaces of models, and the analysis of a file with one of them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import Analysis
from genremodel.audio.decoding import AudioSource
from genremodel.audio.windows import Windows, read_windows
from genremodel.prediction import DecisionParams

# The version of decoding and of the choice of windows, a part of `Backend.version`. Change it when
# the samples change, so that cached analyses are not reused.
FRONT_END = "windows 2"


class WindowProbabilities(NamedTuple):
    """The output of a model for the audible windows of a track.

    Parameters
    ----------
    probabilities : (windows, genres)
        Rows sum to 1.
    novelty : float
        Logarithm of the distance of the track to the training data.
    """

    probabilities: NDArray[np.float64]
    novelty: float


class WindowClassifier(Protocol):
    """A model that returns genre probabilities for windows."""

    @property
    def params(self) -> DecisionParams:
        """How the probabilities become a prediction."""
        ...

    def predict_proba(self, values: NDArray[np.floating[Any]]) -> WindowProbabilities:
        """Return the probabilities of the genres of `params`.

        Parameters
        ----------
        values : (windows, values)
            Rows of `Analysis.values`: the audible windows of a track, at least one.
        """
        ...


class Backend(WindowClassifier, Protocol):
    """A model that also makes the analyses that it reads."""

    version: str
    """Analyses of other versions cannot be used."""

    def analyze(self, windows: Windows) -> NDArray[np.float32]:
        """Return the slow part of the computation, which the cache stores: (windows, values)."""
        ...


def analyze_audio(backend: Backend, source: AudioSource, count: int) -> Analysis:
    """Return the analysis of a track.

    Parameters
    ----------
    backend : Backend
        The model.
    source
        The audio, see `read_windows`.
    count : int
        The number of windows.

    Raises
    ------
    AudioError
        If the audio cannot be decoded.
    """
    windows = read_windows(source, count)
    values = backend.analyze(windows) if len(windows.starts) else np.empty((0, 0))
    return Analysis(windows.starts, windows.audible, values.astype(np.float16))
