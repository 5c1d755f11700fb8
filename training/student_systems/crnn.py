"""System 2: CNNs and a CRNN, published for seven genres of playlist songs and excerpts of 30 s.

Adam, batches of 32. The first linear layers are narrower, because the input is 3 s instead of 30.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from training.student_systems.baseline import Baseline
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.song_classifier import SongClassifier, joined


def _network(name: str, learning_rate: float, checkpoints: Path | None) -> SongClassifier:
    network = NetworkClassifier(
        name, batch=32, learning_rate=learning_rate, checkpoints=checkpoints
    )
    return SongClassifier(network, joined)


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
