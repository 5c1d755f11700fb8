"""Train, evaluate and store models of a user's own genres."""

from genremodel.custom.dataset import LabeledTrack
from genremodel.custom.report import TrainingReport
from genremodel.custom.store import CustomModel, ModelInfo, ModelStore
from genremodel.custom.training import train

__all__ = ["CustomModel", "LabeledTrack", "ModelInfo", "ModelStore", "TrainingReport", "train"]
