"""How models do on artists that they have not heard: cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from genremodel.calibration import Calibration, fit_calibration, window_subsets
from genremodel.custom.dataset import LabeledDataset
from genremodel.custom.store import Estimator, Head
from genremodel.models.heads import msd_logits
from genremodel.models.novelty import NO_NONMUSIC_DETECTION, Novelty, fit_novelty
from genremodel.tables import ColumnTable
from genremodel.voting import winning_genre

FOLDS = 5
_NO_EMBEDDING = np.empty((1, 0))

# Fits a head on some of the tracks.
Fit: TypeAlias = Callable[[LabeledDataset, NDArray[np.intp]], Head]


class TrainingError(ValueError):
    """There is nothing to tell apart; the message says what is missing."""


@dataclass(frozen=True)
class OutOfFold(ColumnTable):
    """What models say of tracks whose artists they have not heard. All are (votes,).

    track: which it is about. fold: the one that the track was left out with. whole: the vote is by
    all of its windows; others are by some. named: index of the winner. probability: its mean.
    novelty, windows: of the track. right: the track has that genre.
    """

    track: NDArray[np.intp]
    fold: NDArray[np.intp]
    whole: NDArray[np.bool_]
    named: NDArray[np.intp]
    probability: NDArray[np.float64]
    novelty: NDArray[np.float64]
    windows: NDArray[np.intp]
    right: NDArray[np.bool_]

    def calibration(self) -> Calibration:
        """Return how likely such votes are right."""
        typical = float(np.median(self.novelty[self.whole]))
        return fit_calibration(self.probability, self.novelty, self.windows, self.right, typical)

    def confidence(self) -> NDArray[np.float64]:
        """Return how likely each vote is right, by the votes in other folds."""
        confidence = np.zeros(len(self.track))
        for fold in np.unique(self.fold):
            here = self.fold == fold
            votes, calibration = self[here], self[~here].calibration()
            confidence[here] = calibration.confidence(
                votes.probability, votes.novelty, votes.windows
            )
        return confidence


def cross_validate(
    tracks: LabeledDataset, fits: Mapping[Estimator, Fit], prior: tuple[float, ...]
) -> dict[Estimator, OutOfFold]:
    """Cross-validate each way to fit; votes are in the order of the tracks.

    prior: as `winning_genre` has it. Raises LearningError where there is too little.
    """
    votes: dict[Estimator, list[tuple[Any, ...]]] = {estimator: [] for estimator in fits}
    for fold, (others, held_out) in enumerate(_splits(tracks)):
        novelty = novelty_of(tracks, others, NO_NONMUSIC_DETECTION)
        views = [tracks.views[track] for track in held_out]
        rows = np.concatenate(views).astype(np.float64)
        ends = np.cumsum([len(windows) for windows in views])
        divided = [[*window_subsets(np.arange(len(windows)))] for windows in views]
        far = [
            [novelty.score(msd_logits(windows[part]), _NO_EMBEDDING) for part in some]
            for windows, some in zip(views, divided, strict=True)
        ]
        for estimator, fit in fits.items():
            said = np.split(fit(tracks, others).predict_proba(rows), ends[:-1])
            for i, track in enumerate(held_out):
                for part, distance in zip(divided[i], far[i], strict=True):
                    named = winning_genre(said[i][part], prior, "majority")
                    votes[estimator].append(
                        (
                            track,
                            fold,
                            len(part) == len(said[i]),
                            named,
                            said[i][part, named].mean(),
                            distance,
                            len(part),
                            tracks.genres[track, named],
                        )
                    )
    return {
        estimator: OutOfFold(*map(np.array, zip(*sorted(rows), strict=True)))
        for estimator, rows in votes.items()
    }


def _splits(tracks: LabeledDataset) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return folds of which none hears an artist of another, stratified by genre.

    Raises LearningError where there are not two folds, or no two genres to learn from.
    """
    genre = tracks.main_genres(np.arange(len(tracks.views)))
    count = min(FOLDS, len(np.unique(tracks.artist)), np.bincount(genre).max())
    if count < 2:
        raise TrainingError("there are too few tracks to tell the genres apart")
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a genre with fewer tracks than folds
        splits = [fold for fold in folds.split(tracks.places, genre, tracks.artist) if len(fold[1])]
    for others, _ in splits:
        if not 2 <= len(np.unique(genre[others])) < len(others):
            raise TrainingError("there are too few artists to tell the genres apart")
    return splits


def novelty_of(
    tracks: LabeledDataset, among: NDArray[np.intp], nonmusic: NDArray[np.float64]
) -> Novelty:
    """Fit where some of the tracks lie. nonmusic: as `Novelty` has it."""
    return fit_novelty(msd_logits(tracks.places[among]), tracks.main_genres(among), nonmusic)
