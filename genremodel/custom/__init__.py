"""Train, evaluate and store models of a user's own genres."""

from genremodel.custom.custom_model import CustomModel, ModelInfo
from genremodel.custom.dataset import LabeledTrack
from genremodel.custom.report import TrainingReport
from genremodel.custom.store import ModelStore
from genremodel.custom.training import train
from genremodel.errors import TrainingError

__all__ = [
    "CustomModel",
    "LabeledTrack",
    "ModelInfo",
    "ModelStore",
    "TrainingError",
    "TrainingReport",
    "train",
]
