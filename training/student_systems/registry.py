"""All baselines by name, in the order of the comparison."""

from __future__ import annotations

from collections.abc import Mapping

from training.student_systems import (
    bundled_head,
    crnn,
    descriptors_and_rnn,
    knn_and_cnn,
    small_cnn,
    vgg,
)
from training.student_systems.baseline import Baseline

BASELINES: Mapping[str, Baseline] = {
    baseline.name: baseline
    for baseline in (
        *knn_and_cnn.BASELINES,
        *crnn.BASELINES,
        *descriptors_and_rnn.BASELINES,
        *vgg.BASELINES,
        *small_cnn.BASELINES,
        *bundled_head.BASELINES,
    )
}
