"""The description of a baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from training.student_systems.song_classifier import SongClassifier

View: TypeAlias = Literal["mel", "descriptors", "activations"]


@dataclass(frozen=True)
class Baseline:
    """One model of one of the five systems.

    Attributes
    ----------
    name
        Identifies the model on the command line.
    system
        Number of the system, 1 to 5; 0 for a model of this project.
    label
        Its name in the comparison.
    view
        The representation of a song that it reads.
    make
        Returns the unfitted model. Networks keep their checkpoints in the given folder, if any.
    reported
        The accuracy reported by its authors, on their own data and split, if any.
    """

    name: str
    system: int
    label: str
    view: View
    make: Callable[[Path | None], SongClassifier]
    reported: float | None = None
