"""Genres of audio files, predicted from the audio.

>>> from genremodel import GenreClassifier
>>> GenreClassifier().predict("song.mp3").genre  # doctest: +SKIP
'jazz'
"""

from typing import TYPE_CHECKING, Any

from genremodel.analysis import Analysis
from genremodel.errors import (
    AnalysisTimeout,
    AudioError,
    ClusterError,
    GenreModelError,
    ModelError,
    UnknownGenreError,
)
from genremodel.prediction import Prediction, WindowPrediction

if TYPE_CHECKING:
    from genremodel.classifier import GenreClassifier

__all__ = [
    "Analysis",
    "AnalysisTimeout",
    "AudioError",
    "ClusterError",
    "GenreClassifier",
    "GenreModelError",
    "ModelError",
    "Prediction",
    "UnknownGenreError",
    "WindowPrediction",
    "__version__",
]

__version__: str


def __getattr__(name: str) -> Any:
    """Import slow modules only when they are used. Worker processes do not need them."""
    if name == "GenreClassifier":
        from genremodel.classifier import GenreClassifier

        return GenreClassifier
    if name == "__version__":
        return _version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("beets-genreclf")
    except PackageNotFoundError:  # a source tree that is not installed
        return "0+unknown"
