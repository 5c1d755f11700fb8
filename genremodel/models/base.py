"""The interfaces of models, and the analysis of a file with one of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import Analysis
from genremodel.audio.decoding import AudioSource
from genremodel.audio.places import FIRST_WINDOWS, place_count
from genremodel.audio.windows import Windows, read_in_parts, read_windows
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

    def analyze(self, windows: Windows) -> NDArray[np.float32]:
        """Return the slow part of the computation, which the cache stores: (windows, values)."""
        ...


class Backend(WindowClassifier, WindowAnalyzer, Protocol):
    """A model that also makes the analyses that it reads."""


def analysis_version(features_version: str) -> str:
    """Return the version of analyses with values of a version, by which the cache finds them."""
    return f"{FRONT_END}, {features_version}"


def analyze_audio(
    analyzer: WindowAnalyzer,
    source: AudioSource,
    count: int,
    known: Analysis | None = None,
    is_enough: Callable[[Analysis], bool] | None = None,
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
    is_enough : callable, optional
        Returns whether an analysis of the `FIRST_WINDOWS` alone is to be returned.

    Raises
    ------
    AudioError
        If the audio cannot be decoded.
    """
    places = place_count(count)
    if known is None and is_enough is None:
        return _analyze(analyzer, read_windows(source, places, count))
    counts = (FIRST_WINDOWS, places) if known is None else (places,)
    starts = () if known is None else known.starts
    with closing(read_in_parts(source, places, counts, starts)) as parts:
        for windows in parts:
            part = _analyze(analyzer, windows)
            known = part if known is None or windows.places.all() else known.joined_with(part)
            if is_enough and not known.places.all() and is_enough(known):
                break
    assert known is not None
    return known


def _analyze(analyzer: WindowAnalyzer, windows: Windows) -> Analysis:
    values = analyzer.analyze(windows) if len(windows.starts) else np.empty((0, 0), np.float32)
    return Analysis(windows.starts, windows.audible, values.astype(np.float16), windows.decoded)
