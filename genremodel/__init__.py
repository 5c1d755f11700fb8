"""Genres of audio files, predicted from the audio.

>>> from genremodel import GenreClassifier
>>> GenreClassifier().predict("song.mp3").genre  # doctest: +SKIP
'jazz'
"""

from typing import Any

from genremodel.analysis import Analysis
from genremodel.classifier import GenreClassifier
from genremodel.errors import (
    AnalysisTimeout,
    AudioError,
    GenreModelError,
    ModelError,
    UnknownGenreError,
)
from genremodel.prediction import Prediction, WindowPrediction

__all__ = [
    "Analysis",
    "AnalysisTimeout",
    "AudioError",
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
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # takes a while to import

    try:
        return version("beets-genreclf")
    except PackageNotFoundError:  # a source tree that is not installed
        return "0+unknown"
