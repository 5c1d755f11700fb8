"""Which features the KNN fallback hears, and how many neighbours it asks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from genremodel.models.knn import GROUPS, group_mask
from genremodel.prediction import DecisionParams
from training.evaluation.evaluate import accuracy
from training.fit import judge_by_neighbours
from training.tables import Rows

_NEIGHBOURS = (5, 10, 20, 40)  # the values of K that are tried
_MEANWHILE = 20
_SEEDS = 3


@dataclass(frozen=True)
class Choice:
    """What was chosen, and by which accuracies.

    every: with all groups. left_out: the others, and the accuracy once each of them was, in turn.
    without: with all that are chosen but one. Of all these, K is `meanwhile`. by_neighbours: with
    those chosen, for each K.
    """

    groups: tuple[str, ...]
    neighbours: int
    meanwhile: int
    every: float
    left_out: list[tuple[str, float]]
    without: list[tuple[str, float]]
    by_neighbours: list[tuple[int, float]]


def choose(rows: Rows, rules: DecisionParams) -> Choice:
    """Choose what names most files rightly in cross-validation grouped by artist.

    rows: features of all groups. Groups are eliminated backwards (Guyon and Elisseeff, "An
    introduction to variable and feature selection", JMLR 2003): the one that is missed least is
    left out as long as nothing is lost by it. Then K is the largest within a standard error of the
    best, as more neighbours make a smoother model (Breiman, Friedman, Olshen and Stone,
    "Classification and regression trees", 1984).
    """

    def right(groups: Collection[str], neighbours: int = _MEANWHILE) -> float:
        known = of_groups(rows, groups)
        runs = [
            accuracy(known, lambda some: judge_by_neighbours(some, neighbours), rules, seed)
            for seed in range(_SEEDS)
        ]
        return round(float(np.mean(runs)), 4)

    groups = tuple(GROUPS)
    every = best = right(groups)
    left_out: list[tuple[str, float]] = []
    while True:
        without = {
            group: right(others)
            for group in groups
            if (others := [other for other in groups if other != group])
        }
        least = max(without, key=without.__getitem__, default=None)
        if least is None or without[least] < best:
            break
        best = without[least]
        left_out.append((least, best))
        groups = tuple(group for group in groups if group != least)
    by_neighbours = [
        (neighbours, best if neighbours == _MEANWHILE else right(groups, neighbours))
        for neighbours in _NEIGHBOURS
    ]
    top = max(share for _, share in by_neighbours)
    error = np.sqrt(top * (1 - top) / len(rows.by_track()[0]))
    neighbours = max(tried for tried, share in by_neighbours if share >= top - error)
    return Choice(
        groups, neighbours, _MEANWHILE, every, left_out, [*without.items()], by_neighbours
    )


def of_groups(rows: Rows, groups: Collection[str]) -> Rows:
    """Return rows of the features of some groups from those of all."""
    return replace(rows, values=rows.values[:, group_mask(groups)])
