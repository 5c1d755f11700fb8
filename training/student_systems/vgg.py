"""System 4: averaged predictions of a pretrained network, and a VGG-like network from scratch.

The original used VGG-19, pretrained on photographs. It is replaced by the bundled MSD-musicnn with
plain logistic regression on its activations.
"""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from genremodel.models.heads import tag_logits
from training.student_systems.baseline import Baseline
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.song_classifier import SongClassifier, joined, single


def _averaged() -> SongClassifier:
    regression = LogisticRegression(max_iter=1000)
    return SongClassifier(
        make_pipeline(FunctionTransformer(tag_logits), StandardScaler(), regression), single
    )


BASELINES = (
    Baseline(
        "pretrained",
        4,
        "pretrained network, averaged",
        "activations",
        lambda _: _averaged(),
        0.70,
    ),
    Baseline(
        "vgg",
        4,
        "VGG-like, from scratch",
        "mel",
        lambda folder: SongClassifier(NetworkClassifier("vgg", checkpoints=folder), joined),
    ),
)
