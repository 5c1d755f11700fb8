"""System 2: CNNs and a CRNN, then for seven genres of playlist songs and one cut of 30 s.

Adam, batches of 32. The linear layers are narrower at the input: 3 s instead of 30.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from training.student_systems.baseline import Baseline
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.songwise import Songwise, joined


def _network(name: str, learning_rate: float, checkpoints: Path | None) -> Songwise:
    network = NetworkClassifier(
        name, batch=32, learning_rate=learning_rate, checkpoints=checkpoints
    )
    return Songwise(network, joined)


BASELINES = tuple(
    Baseline(
        name.replace("_", "-"),
        2,
        label,
        "mel",
        partial(_network, name, rate),
        reported,
    )
    for name, label, rate, reported in (
        ("playlist_baseline", "baseline CNN", 1e-4, None),
        ("playlist_cnn", "CNN", 1e-4, 0.73),
        ("playlist_crnn", "CRNN", 1e-3, 0.79),
    )
)
