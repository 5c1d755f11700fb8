"""Genres of audio files, heard from the sound itself.

>>> from genremodel import Classifier
>>> Classifier().classify("song.mp3").genre  # doctest: +SKIP
'jazz'
"""

from genremodel.assets import AssetError
from genremodel.audio import AudioError
from genremodel.classifier import Classifier, UnknownGenreError
from genremodel.decision import Prediction, WindowGenre

__all__ = [
    "AssetError",
    "AudioError",
    "Classifier",
    "Prediction",
    "UnknownGenreError",
    "WindowGenre",
]
