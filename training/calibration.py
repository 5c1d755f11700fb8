"""Verdicts on artists that were not heard in training, and how sure they show one can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from genremodel.backbone import evenly
from genremodel.constants import DEFAULT_WINDOWS
from genremodel.decision import Calibration, evidence, winner
from genremodel.head import Judgement
from training.fitting import Fit
from training.rows import Rows

FOLDS = 5
# A calibration is for any number of windows: tracks are judged by so many of theirs as well.
_WINDOWS = (1, 3, DEFAULT_WINDOWS)


@dataclass(frozen=True)
class Verdict:
    """What a model says of a track that it was not fitted on.

    group: its artist. fold: the one that the track was left out with. whole: by as many windows as
    users have.
    """

    genre: str
    group: str
    fold: int
    whole: bool
    judgement: Judgement


def out_of_fold(rows: Rows, fit: Fit, *, seed: int, scored: NDArray[np.bool_]) -> list[Verdict]:
    """Return verdicts on tracks by models that never heard their artist.

    Five folds, grouped by artist and stratified by genre. scored: (rows,) the tracks that folds
    are made of; others only help to fit, save those of an artist in the fold that is left out.
    """
    tracks = rows[scored]
    genres, groups, members = tracks.by_track()
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    verdicts: list[Verdict] = []
    for fold, (_, held_out) in enumerate(folds.split(genres, genres, groups)):
        others = rows[~np.isin(rows.group, groups[held_out])]
        judge = fit(others)
        known = np.isin(np.unique(rows.genre), others.genre)
        for track in held_out:
            for part in _parts(members[track]):
                judgement = _widened(judge(tracks.values[part]), known)
                whole = len(part) == min(DEFAULT_WINDOWS, len(members[track]))
                name, group = str(genres[track]), str(groups[track])
                verdicts.append(Verdict(name, group, fold, whole, judgement))
    return verdicts


def _parts(windows: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield some of the windows, evenly spread, and all of them."""
    for count in _WINDOWS:
        if count < len(windows):
            yield evenly(windows, count)
    yield windows


def _widened(judgement: Judgement, known: NDArray[np.bool_]) -> Judgement:
    """Return it with a column of zeros for each genre that was not known."""
    probabilities = np.zeros((len(judgement.probabilities), len(known)))
    probabilities[:, known] = judgement.probabilities
    return Judgement(probabilities, judgement.novelty)


def fit_calibration(
    verdicts: Iterable[Verdict], genres: Sequence[str], prior: Sequence[float]
) -> Calibration:
    """Fit how likely the winner of a vote is to be right.

    What the verdicts cannot tell has no say: many windows where none has them, and novelty where
    the farther ones happen to be right.
    """
    verdicts = [*verdicts]
    typical = float(np.median([v.judgement.novelty for v in verdicts if v.whole]))
    known, right = [], []
    for verdict in verdicts:
        probabilities, novelty = verdict.judgement
        index = winner(probabilities, prior, "majority")
        known.append(evidence(probabilities[:, index].mean(), novelty, len(probabilities)))
        right.append(genres[index] == verdict.genre)
    if all(right) or not any(right):  # of very little music: nothing to learn from
        return Calibration(0.0, 1.0, 0.0, 0.0, round(typical, 3))
    many = max(len(verdict.judgement.probabilities) for verdict in verdicts) >= DEFAULT_WINDOWS
    for far in (True, False):
        supported = np.array([True, far, many])
        regression = LogisticRegression(C=10.0, max_iter=1000)
        regression.fit(np.array(known)[:, supported], right)
        slopes = np.zeros(3)
        slopes[supported] = regression.coef_[0]
        if slopes[1] <= 0:
            break
    coefficients = [*regression.intercept_, *slopes, typical]
    return Calibration(*(round(float(value), 3) for value in coefficients))
