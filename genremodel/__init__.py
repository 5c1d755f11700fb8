"""Genres of audio files, heard from the sound itself.

>>> from genremodel import Classifier
>>> Classifier().classify("song.mp3").genre  # doctest: +SKIP
'jazz'
"""

from genremodel.audio.decoding import AudioError
from genremodel.classifier import GenreClassifier, UnknownGenreError
from genremodel.models.bundled import AssetError
from genremodel.prediction import Prediction, WindowPrediction

__all__ = [
    "AssetError",
    "AudioError",
    "GenreClassifier",
    "Prediction",
    "UnknownGenreError",
    "WindowPrediction",
]
