"""What is known of a baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from training.student_systems.songwise import Songwise

View: TypeAlias = Literal["mel", "descriptors", "activations"]


@dataclass(frozen=True)
class Baseline:
    """One model of one of the five systems.

    name: identifies it on the command line. system: 1 to 5; 0 for this project's own.
    label: what the comparison calls it. view: what it reads of a song.
    make: returns it unfitted; networks keep their checkpoints in the folder given, if any.
    reported: the accuracy that its authors gave, on their own data and split; None if none.
    """

    name: str
    system: int
    label: str
    view: View
    make: Callable[[Path | None], Songwise]
    reported: float | None = None
