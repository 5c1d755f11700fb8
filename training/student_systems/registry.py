"""All baselines, by name."""

from __future__ import annotations

from collections.abc import Mapping

from training.student_systems import bundled_head as bundled
from training.student_systems import crnn as system2
from training.student_systems import descriptors_and_rnn as system3
from training.student_systems import knn_and_cnn as system1
from training.student_systems import small_cnn as system5
from training.student_systems import vgg as system4
from training.student_systems.baseline import Baseline

BASELINES: Mapping[str, Baseline] = {
    baseline.name: baseline
    for baseline in (
        *system1.BASELINES,
        *system2.BASELINES,
        *system3.BASELINES,
        *system4.BASELINES,
        *system5.BASELINES,
        *bundled.BASELINES,
    )
}
