"""Train, evaluate and store models of a user's own genres."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genremodel.custom.dataset import LabeledTrack
    from genremodel.custom.report import TrainingReport
    from genremodel.custom.store import CustomModel, ModelInfo, ModelStore
    from genremodel.custom.training import train

__all__ = ["CustomModel", "LabeledTrack", "ModelInfo", "ModelStore", "TrainingReport", "train"]

# Imported on first use: scikit-learn, which training needs, takes half a second to load.
_MODULES = {
    "CustomModel": "store",
    "LabeledTrack": "dataset",
    "ModelInfo": "store",
    "ModelStore": "store",
    "TrainingReport": "report",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
