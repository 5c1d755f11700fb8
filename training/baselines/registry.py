"""All baselines, by name."""

from __future__ import annotations

from collections.abc import Mapping

from training.baselines import bundled, system1, system2, system3, system4, system5
from training.baselines.baseline import Baseline

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
