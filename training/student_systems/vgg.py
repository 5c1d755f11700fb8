"""System 4: a pre-trained network's verdicts, averaged, and a VGG-like network from scratch.

VGG-19 was trained on photographs; in its place stands the backbone that this project bundles,
MSD-musicnn, with plain logistic regression on its activations.
"""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from genremodel.models.heads import tag_logits
from training.student_systems.baseline import Baseline
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.songwise import Songwise, joined, single


def _averaged() -> Songwise:
    regression = LogisticRegression(max_iter=1000)
    return Songwise(
        make_pipeline(FunctionTransformer(tag_logits), StandardScaler(), regression), single
    )


BASELINES = (
    Baseline(
        "pretrained",
        4,
        "pre-trained network, averaged",
        "activations",
        lambda _: _averaged(),
        0.70,
    ),
    Baseline(
        "vgg",
        4,
        "VGG-like, from scratch",
        "mel",
        lambda folder: Songwise(NetworkClassifier("vgg", checkpoints=folder), joined),
    ),
)
