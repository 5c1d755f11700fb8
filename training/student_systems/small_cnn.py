"""System 5: a small CNN on windows of 2 s.

The original used fourteen random windows per track; here they are the middles of its ten
segments. Spectrograms have 12.9 frames per second instead of 86. Training takes at most 20 epochs
with a patience of 5 instead of 90 and 20.
"""

from __future__ import annotations

from training.student_systems.baseline import Baseline
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.song_classifier import SongClassifier, joined

BASELINES = (
    Baseline(
        "short-window-cnn",
        5,
        "small CNN, windows of 2 s",
        "mel",
        lambda folder: SongClassifier(
            NetworkClassifier("short_window_cnn", epochs=20, patience=5, checkpoints=folder), joined
        ),
        0.7685,
    ),
)
