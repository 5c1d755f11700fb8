"""The interfaces of models, and the analysis of a file with one of them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import Analysis
from genremodel.audio.decoding import AudioSource
from genremodel.audio.places import place_count
from genremodel.audio.windows import Windows, read_windows
from genremodel.prediction import DecisionParams

# The version of decoding and of the choice of windows, a part of `Backend.version`. Change it when
# the samples change, so that cached analyses are not reused.
FRONT_END = "windows 3"


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


class WindowAnalyzer(Protocol):
    """Computes the values of analyses."""

    @property
    def features_version(self) -> str:
        """The version of the values: what models read."""
        ...

    def analyze(
        self, windows: Windows, known: NDArray[np.floating[Any]] | None = None
    ) -> NDArray[np.float32]:
        """Return the slow part of the computation, which the cache stores: (windows, values).

        known: (windows, values) an earlier result, NaN where it has none.
        """
        ...


class Backend(WindowClassifier, WindowAnalyzer, Protocol):
    """A model that also makes the analyses that it reads."""


def analysis_version(features_version: str) -> str:
    """Return the version of analyses with values of a version, by which the cache finds them."""
    return f"{FRONT_END}, {features_version}"


def analyze_audio(
    analyzer: WindowAnalyzer, source: AudioSource, count: int, known: Analysis | None = None
) -> Analysis:
    """Return an analysis of a track with so many windows, see `Analysis.select`, or more.

    Parameters
    ----------
    analyzer : WindowAnalyzer
        A backend, or what computes the values otherwise.
    source
        The audio, see `read_windows`.
    count : int
        The number of windows.
    known : Analysis, optional
        An analysis of some windows. The result has these, too, and they are not analyzed again.

    Raises
    ------
    AudioError
        If the audio cannot be decoded.
    """
    places = place_count(count)
    windows = read_windows(source, places, count if known is None else places)
    if not len(windows.starts):
        values = np.empty((0, 0), np.float32)
    else:
        values = analyzer.analyze(windows, None if known is None else _known_values(known, windows))
    return Analysis(windows.starts, windows.audible, values.astype(np.float16), windows.decoded)


def _known_values(known: Analysis, windows: Windows) -> NDArray[np.float32]:
    """Return the values of windows that were analyzed before, NaN for others."""
    values = np.full((len(windows.starts), known.values.shape[1]), np.nan, np.float32)
    _, rows, known_rows = np.intersect1d(windows.starts, known.starts, return_indices=True)
    values[rows] = known.values[known_rows]
    return values
