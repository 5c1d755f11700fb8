"""Verdicts on artists that were not heard in training, and how sure they show one can be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from genremodel.audio.windows import DEFAULT_WINDOWS, evenly_spaced
from genremodel.calibration import Calibration, fit_calibration, window_subsets
from genremodel.models.base import WindowProbabilities
from genremodel.prediction import DecisionParams
from genremodel.voting import winning_genre
from training.fit import Fit, WindowClassifier
from training.tables import Rows

FOLDS = 5


@dataclass(frozen=True)
class Verdict:
    """What a model says of a track that it was not fitted on.

    group: its artist. fold: the one that the track was left out with. whole: by all windows that
    users have of it; others are by some.
    """

    genre: str
    group: str
    fold: int
    whole: bool
    judgement: WindowProbabilities


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
            windows = evenly_spaced(members[track], DEFAULT_WINDOWS)
            for part in window_subsets(windows):
                judgement = _widened(judge(tracks.values[part]), known)
                whole = len(part) == len(windows)
                name, group = str(genres[track]), str(groups[track])
                verdicts.append(Verdict(name, group, fold, whole, judgement))
    return verdicts


def judged(rows: Rows, judge: WindowClassifier) -> list[Verdict]:
    """Return what one model says of tracks."""
    genres, groups, members = rows.by_track()
    return [
        Verdict(
            str(genre),
            str(group),
            0,
            True,
            judge(rows.values[evenly_spaced(track, DEFAULT_WINDOWS)]),
        )
        for genre, group, track in zip(genres, groups, members, strict=True)
    ]


def whole(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the verdicts by all windows."""
    return [verdict for verdict in verdicts if verdict.whole]


def recalibrated(rules: DecisionParams, verdicts: Iterable[Verdict]) -> DecisionParams:
    """Return the rules with the calibration that fits the verdicts."""
    return replace(rules, calibration=calibrate(verdicts, rules.genres, rules.prior))


def _widened(judgement: WindowProbabilities, known: NDArray[np.bool_]) -> WindowProbabilities:
    """Return it with a column of zeros for each genre that was not known."""
    probabilities = np.zeros((len(judgement.probabilities), len(known)))
    probabilities[:, known] = judgement.probabilities
    return WindowProbabilities(probabilities, judgement.novelty)


def calibrate(
    verdicts: Iterable[Verdict], genres: Sequence[str], prior: Sequence[float]
) -> Calibration:
    """Fit how likely the winner of a vote is to be right."""
    verdicts = [*verdicts]
    votes = []
    for verdict in verdicts:
        probabilities, far = verdict.judgement
        index = winning_genre(probabilities, prior, "majority")
        is_right = genres[index] == verdict.genre
        votes.append((probabilities[:, index].mean(), far, len(probabilities), is_right))
    typical = float(np.median([verdict.judgement.novelty for verdict in verdicts if verdict.whole]))
    probability, novelty, windows, right = map(np.array, zip(*votes, strict=True))
    return fit_calibration(probability, novelty, windows, right, typical)
