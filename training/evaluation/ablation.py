"""Ablations of the genre heads: other hyperparameters and training data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from genremodel.prediction import DecisionParams
from training.evaluation.evaluate import accuracy
from training.fit import fit_head_classifier
from training.hyperparameters import HYPERPARAMETERS as RELEASED
from training.hyperparameters import HeadHyperparameters
from training.window_table import Role, WindowTable

_SEEDS = 3
_SCORED: tuple[Role, Role] = ("song", "train")
_ALL: tuple[Role, ...] = ("song", "train", "altered")
_VARIANTS: Mapping[str, tuple[tuple[Role, ...], HeadHyperparameters]] = {
    "released model": (_ALL, RELEASED),
    "first network alone": (_ALL, replace(RELEASED, mtt_weight=0.0)),
    "second network weighted by 0.25": (_ALL, replace(RELEASED, mtt_weight=0.25)),
    "second network weighted by 0.75": (_ALL, replace(RELEASED, mtt_weight=0.75)),
    "first head: 4 times the regularization": (_ALL, replace(RELEASED, msd_c=RELEASED.msd_c / 4)),
    "first head: 1/4 of the regularization": (_ALL, replace(RELEASED, msd_c=RELEASED.msd_c * 4)),
    "second head: 4 times the regularization": (_ALL, replace(RELEASED, mtt_c=RELEASED.mtt_c / 4)),
    "second head: 1/4 of the regularization": (_ALL, replace(RELEASED, mtt_c=RELEASED.mtt_c * 4)),
    "no augmentation": (("song", "train"), RELEASED),
    "no weighting by artist": (_ALL, replace(RELEASED, by_artist=False)),
}


def ablations(table: WindowTable, params: DecisionParams) -> list[tuple[str, float, float]]:
    """Return each variant with its accuracy on whole songs and on files.

    By cross-validation grouped by artist, without the artists of the validation files: a choice
    made here does not affect their figures.
    """
    known = table[~table.in_group(table.with_role("valid").groups)]
    results = []
    for name, (roles, hyperparameters) in _VARIANTS.items():
        some = known.with_role(*roles)
        fit = partial(fit_head_classifier, hyperparameters=hyperparameters)
        songs, files = (
            float(np.mean([accuracy(some, fit, params, seed, role) for seed in range(_SEEDS)]))
            for role in _SCORED
        )
        results.append((name, round(songs, 4), round(files, 4)))
    return results
