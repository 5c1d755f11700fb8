"""Hyperparameters of the genre heads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeadHyperparameters:
    """What can be tuned when the heads are fitted; `training.evaluation.ablation` varies it.

    Parameters
    ----------
    msd_c, mtt_c
        Inverse regularization strength of the heads on MSD-musicnn and on both networks,
        scikit-learn's C.
    mtt_weight
        Weight of the second head, see `GenreHeads`.
    by_artist
        Rows are weighted by artist, see `balanced_sample_weight`.
    """

    msd_c: float = 0.012
    mtt_c: float = 0.03
    mtt_weight: float = 0.5
    by_artist: bool = True


HYPERPARAMETERS = HeadHyperparameters()
