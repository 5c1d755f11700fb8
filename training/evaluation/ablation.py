"""What else was tried in place of the heads' recipe, and how it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from genremodel.prediction import DecisionParams
from training.evaluation.evaluate import accuracy
from training.fit import RECIPE, Recipe, judge_by_heads
from training.tables import Role, Rows

_SEEDS = 3
_SCORED: tuple[Role, Role] = ("song", "train")
_ALL: tuple[Role, ...] = ("song", "train", "altered")
_OTHERS: Mapping[str, tuple[tuple[Role, ...], Recipe]] = {
    "as it is": (_ALL, RECIPE),
    "the first network alone": (_ALL, replace(RECIPE, mixing=0.0)),
    "less of the second network (0.25)": (_ALL, replace(RECIPE, mixing=0.25)),
    "more of the second network (0.75)": (_ALL, replace(RECIPE, mixing=0.75)),
    "first head four times as regularised": (_ALL, replace(RECIPE, network=RECIPE.network / 4)),
    "first head a quarter as regularised": (_ALL, replace(RECIPE, network=RECIPE.network * 4)),
    "second head four times as regularised": (_ALL, replace(RECIPE, expert=RECIPE.expert / 4)),
    "second head a quarter as regularised": (_ALL, replace(RECIPE, expert=RECIPE.expert * 4)),
    "no altered copies of files": (("song", "train"), RECIPE),
    "every track weighs the same, whoever plays it": (_ALL, replace(RECIPE, by_artist=False)),
}


def trials(rows: Rows, rules: DecisionParams) -> list[tuple[str, float, float]]:
    """Return what was tried, and the shares of whole songs and of files that it names rightly.

    By cross-validation grouped by artist, without the artists of the validation files: whose
    figures owe nothing to a choice that is made here.
    """
    known = rows[~np.isin(rows.group, rows.of("valid").group)]
    table = []
    for words, (roles, recipe) in _OTHERS.items():
        some, fit = known.of(*roles), partial(judge_by_heads, recipe=recipe)
        songs, files = (
            float(np.mean([accuracy(some, fit, rules, seed, role) for seed in range(_SEEDS)]))
            for role in _SCORED
        )
        table.append((words, round(songs, 4), round(files, 4)))
    return table
