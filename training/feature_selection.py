"""Feature groups and K of the KNN fallback, chosen by backward elimination."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from genremodel.models.knn import GROUPS, group_mask
from genremodel.prediction import DecisionParams
from training.evaluation.evaluate import accuracy
from training.fit import fit_knn_classifier
from training.window_table import WindowTable

_NEIGHBORS = (5, 10, 20, 40)  # candidates for K
_ELIMINATION_K = 20
_SEEDS = 3


@dataclass(frozen=True)
class Choice:
    """The chosen feature groups and K, and the accuracies that led to them.

    all_groups: accuracy with all groups. eliminated: the removed groups in order, and the accuracy
    after each. without: the accuracy without each of the chosen groups. K is `elimination_k` in all
    of these. by_neighbors: the accuracy with the chosen groups, for each K.
    """

    groups: tuple[str, ...]
    neighbors: int
    elimination_k: int
    all_groups: float
    eliminated: list[tuple[str, float]]
    without: list[tuple[str, float]]
    by_neighbors: list[tuple[int, float]]


def choose(table: WindowTable, params: DecisionParams) -> Choice:
    """Choose the features and K with the best accuracy in cross-validation grouped by artist.

    The least useful group is eliminated as long as accuracy does not drop. K is then the largest
    within a standard error of the best, because more neighbors make a smoother model.

    Parameters
    ----------
    table
        Features of all groups.
    params
        Genres and prior.

    References
    ----------
    Guyon and Elisseeff, "An introduction to variable and feature selection", JMLR 2003. Breiman,
    Friedman, Olshen and Stone, "Classification and regression trees", 1984.
    """

    def mean_accuracy(groups: Collection[str], neighbors: int = _ELIMINATION_K) -> float:
        known = select_groups(table, groups)
        runs = [
            accuracy(known, lambda some: fit_knn_classifier(some, neighbors), params, seed)
            for seed in range(_SEEDS)
        ]
        return round(float(np.mean(runs)), 4)

    groups = tuple(GROUPS)
    all_groups = best = mean_accuracy(groups)
    eliminated: list[tuple[str, float]] = []
    while True:
        without = {
            group: mean_accuracy(others)
            for group in groups
            if (others := [other for other in groups if other != group])
        }
        least = max(without, key=without.__getitem__, default=None)
        if least is None or without[least] < best:
            break
        best = without[least]
        eliminated.append((least, best))
        groups = tuple(group for group in groups if group != least)
    by_neighbors = [
        (
            neighbors,
            best if neighbors == _ELIMINATION_K else mean_accuracy(groups, neighbors),
        )
        for neighbors in _NEIGHBORS
    ]
    top = max(share for _, share in by_neighbors)
    error = np.sqrt(top * (1 - top) / len(table.by_track()[0]))
    neighbors = max(k for k, share in by_neighbors if share >= top - error)
    return Choice(
        groups,
        neighbors,
        _ELIMINATION_K,
        all_groups,
        eliminated,
        [*without.items()],
        by_neighbors,
    )


def select_groups(table: WindowTable, groups: Collection[str]) -> WindowTable:
    """Return a table of all features reduced to those of some groups."""
    return replace(table, values=table.values[:, group_mask(groups)])
