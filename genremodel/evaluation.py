"""Cross-validation grouped by artist: out-of-fold predictions, their calibration and metrics.

Shared by `genremodel.custom`, for models of the user's own genres, and by `training`, for the
bundled model, so that both report the same metrics.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from genremodel.calibration import (
    Calibration,
    expected_calibration_error,
    fit_calibration,
    window_subsets,
)
from genremodel.column_table import ColumnTable
from genremodel.errors import TrainingError
from genremodel.models.base import WindowProbabilities
from genremodel.voting import track_confidence, weaker_part, winning_genre

FOLDS = 5

# Predicts tracks, each from some of its windows, (windows, values).
Classify: TypeAlias = Callable[[Sequence[NDArray[np.floating[Any]]]], Sequence[WindowProbabilities]]
# Fits a model on the tracks of all artists but these, (artists,).
FitWithout: TypeAlias = Callable[[NDArray[np.str_]], Classify]


@dataclass(frozen=True)
class Tracks:
    """Tracks of known genres, to evaluate a model on.

    Parameters
    ----------
    windows : tracks x (windows, values)
        What the model reads of each track.
    genres : (tracks, genres)
        True if the track has the genre.
    artist : (tracks,)
    prior : (genres,)
        Shares of the genres, which break ties.
    """

    windows: Sequence[NDArray[np.floating[Any]]]
    genres: NDArray[np.bool_]
    artist: NDArray[np.str_]
    prior: Sequence[float]


class _LabeledPredictions(ColumnTable):
    """Base class of tables with a true and a predicted genre in each row."""

    genre: NDArray[np.intp]
    predicted: NDArray[np.intp]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(rows,) True if the prediction by majority vote is correct."""
        return self.predicted == self.genre


@dataclass(frozen=True)
class OutOfFold(_LabeledPredictions):
    """Predictions of tracks by models that were not fitted on their artists.

    Parameters
    ----------
    track : (predictions,)
        Index of the track. There are several predictions of a track, by 1, 3 and all windows.
    artist : (predictions,)
        Artist of the track.
    fold : (predictions,)
        The fold that the track was held out in.
    all_windows : (predictions,)
        True for predictions by all windows of the track.
    genre : (predictions,)
        Index of the track's genre: the predicted one if the track has it, otherwise its rarest, or
        -1 if it has none.
    predicted : (predictions,)
        Index of the genre predicted by majority vote.
    probabilities : (predictions, genres)
        Mean of the windows.
    weaker : (predictions,)
        See `genremodel.voting.weaker_part`.
    novelty : (predictions,)
        Out-of-distribution score of the track.
    windows : (predictions,)
        Number of windows.
    """

    track: NDArray[np.intp]
    artist: NDArray[np.str_]
    fold: NDArray[np.intp]
    all_windows: NDArray[np.bool_]
    genre: NDArray[np.intp]
    predicted: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    weaker: NDArray[np.float64]
    novelty: NDArray[np.float64]
    windows: NDArray[np.intp]

    @property
    def probability(self) -> NDArray[np.float64]:
        """(predictions,) probability of the predicted genre, the mean of the windows."""
        return self.probabilities[np.arange(len(self)), self.predicted]

    def calibration(self) -> Calibration:
        """Return the calibration fitted on these predictions."""
        median = float(np.median(self.novelty[self.all_windows]))
        return fit_calibration(self.probability, self.novelty, self.windows, self.correct, median)

    def calibrated(self, calibration: Calibration) -> NDArray[np.float64]:
        """Return the confidence in each prediction by a calibration, (predictions,)."""
        return track_confidence(
            calibration, self.probability, self.weaker, self.novelty, self.windows
        )

    def confidence(self, known: OutOfFold | None = None) -> NDArray[np.float64]:
        """Return the confidence in each prediction, (predictions,).

        The predictions of a fold are calibrated on the predictions of other artists in `known`, by
        default this table.

        Artists, not folds, are what must not be shared: `known` may come from another
        cross-validation, whose folds divide the artists differently. Within one table both are the
        same, because no artist is in two folds.
        """
        known = self if known is None else known
        confidence = np.zeros(len(self))
        for fold in np.unique(self.fold):
            here = self.fold == fold
            others = known[~np.isin(known.artist, self.artist[here])]
            confidence[here] = self[here].calibrated(others.calibration())
        return confidence

    def scores(self, confidence: NDArray[np.float64], min_confidence: float) -> Scores:
        """Return what metrics are computed from. confidence: (predictions,)."""
        return Scores(
            self.genre,
            self.predicted,
            self.probabilities.argmax(axis=1),
            confidence,
            confidence < min_confidence,
        )


def out_of_fold(tracks: Tracks, fit: FitWithout, *, seed: int = 0) -> OutOfFold:
    """Cross-validate a model on tracks, each by 1, 3 and all of its windows.

    Folds are grouped by artist and stratified by the tracks' rarest genres.

    Parameters
    ----------
    tracks : Tracks
    fit
        Called once a fold with the artists that are held out.
    seed
        Deals the artists to the folds.

    Returns
    -------
    OutOfFold
        Ordered by fold.

    Raises
    ------
    TrainingError
        If there are too few tracks, genres or artists.

    Examples
    --------
    Ten tracks of one window by five artists, and a model that always predicts the first genre:

    >>> windows, genres = [np.zeros((1, 3))] * 10, np.arange(10)[:, np.newaxis] % 2 == [0, 1]
    >>> tracks = Tracks(windows, genres, np.repeat(["a", "b", "c", "d", "e"], 2), [0.5, 0.5])
    >>> found = WindowProbabilities(np.array([[0.8, 0.2]]), novelty=1.0)
    >>> def fit(left_out):
    ...     return lambda parts: [found] * len(parts)
    >>> table = out_of_fold(tracks, fit)
    >>> len(table), float(table.correct.mean())
    (10, 0.5)
    """
    tables = []
    for fold, held_out in enumerate(_folds(rarest_genre(tracks.genres), tracks.artist, seed)):
        parts = [
            (track, part)
            for track in held_out
            for part in window_subsets(np.arange(len(tracks.windows[track])))
        ]
        classify = fit(np.unique(tracks.artist[held_out]))
        tables.append(_predict(tracks, classify, parts, fold))
    return sum(tables[1:], tables[0])


def predict_tracks(tracks: Tracks, classify: Classify) -> OutOfFold:
    """Return the predictions of one model for held-out tracks, as a single fold."""
    parts = [(track, np.arange(len(windows))) for track, windows in enumerate(tracks.windows)]
    return _predict(tracks, classify, parts, fold=0)


def _predict(
    tracks: Tracks,
    classify: Classify,
    parts: Sequence[tuple[int, NDArray[np.intp]]],
    fold: int,
) -> OutOfFold:
    """Predict tracks from parts of them, given as the track and some of its windows."""
    found = classify([tracks.windows[track][part] for track, part in parts])
    track = np.array([track for track, _ in parts])
    counts = np.array([len(part) for _, part in parts])
    predicted = np.array(
        [winning_genre(one.probabilities, tracks.prior, "majority") for one in found]
    )
    return OutOfFold(
        track,
        tracks.artist[track],
        np.full(len(parts), fold),
        counts == [len(tracks.windows[index]) for index in track],
        np.where(tracks.genres[track, predicted], predicted, rarest_genre(tracks.genres)[track]),
        predicted,
        np.stack([one.probabilities.mean(axis=0) for one in found]),
        np.array([weaker_part(one.probabilities) for one in found]),
        np.array([one.novelty for one in found]),
        counts,
    )


def rarest_genre(genres: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the index of each track's rarest genre, or -1 if it has none.

    Of "Electronic; House", the rarer genre is the more specific one. genres: (tracks, genres).

    Examples
    --------
    >>> rarest_genre(np.array([[True, True], [True, False], [False, False]]))
    array([ 1,  0, -1])
    """
    rarity = np.where(genres, genres.sum(axis=0), np.inf)
    return np.where(genres.any(axis=1), rarity.argmin(axis=1), -1)


def _folds(genre: NDArray[np.intp], artist: NDArray[np.str_], seed: int) -> list[NDArray[np.intp]]:
    """Return the held-out tracks of each fold, grouped by artist and stratified by genre."""
    from sklearn.model_selection import StratifiedGroupKFold  # slow to import

    count = min(FOLDS, len(np.unique(artist)), np.bincount(genre).max())
    if count < 2:
        raise TrainingError("there are too few tracks to distinguish the genres")
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a genre has fewer tracks than folds
        splits = [split for split in folds.split(genre, genre, artist) if len(split[1])]
    for others, _ in splits:
        if not 2 <= len(np.unique(genre[others])) < len(others):
            raise TrainingError("there are too few artists to distinguish the genres")
    return [held_out for _, held_out in splits]


@dataclass(frozen=True)
class Scores(_LabeledPredictions):
    """Predictions of tracks with their confidences.

    Parameters
    ----------
    genre : (tracks,)
        Index of the track's genre.
    predicted : (tracks,)
        Index of the genre predicted by majority vote, abstentions included.
    predicted_by_mean : (tracks,)
        Index of the genre with the highest mean probability.
    confidence : (tracks,)
        In the majority vote.
    abstained : (tracks,)
        True if the model abstains.
    """

    genre: NDArray[np.intp]
    predicted: NDArray[np.intp]
    predicted_by_mean: NDArray[np.intp]
    confidence: NDArray[np.float64]
    abstained: NDArray[np.bool_]


@dataclass(frozen=True)
class Metrics:
    """Metrics of a model on tracks, shares between 0 and 1.

    Parameters
    ----------
    tracks
        Number of tracks.
    accuracy
        By majority vote.
    accuracy_mean
        By averaged probabilities.
    macro_f1
        By majority vote.
    ece
        Expected calibration error.
    selective_accuracy
        Accuracy on the tracks for which the model does not abstain; None if there are none.
    coverage
        Share of those tracks.
    """

    tracks: int
    accuracy: float
    accuracy_mean: float
    macro_f1: float
    ece: float
    selective_accuracy: float | None
    coverage: float

    @classmethod
    def from_scores(cls, scores: Scores, genres: NDArray[np.intp] | None = None) -> Metrics:
        """Return the metrics of predictions.

        genres: indices over which the F1 is averaged, by default those of the tracks.

        Examples
        --------
        >>> genre, predicted, confidence = np.array([0, 0, 1]), np.array([0, 1, 1]), np.full(3, 0.7)
        >>> abstained = np.array([False, True, False])
        >>> scores = Scores(genre, predicted, predicted, confidence, abstained)
        >>> metrics = Metrics.from_scores(scores).rounded()
        >>> metrics["accuracy"], metrics["selective_accuracy"], metrics["coverage"]
        (0.6667, 1.0, 0.6667)
        """
        correct, covered = scores.correct, ~scores.abstained
        labels = np.unique(scores.genre) if genres is None else genres
        return cls(
            tracks=len(scores),
            accuracy=float(correct.mean()),
            accuracy_mean=float((scores.predicted_by_mean == scores.genre).mean()),
            macro_f1=float(np.mean([_f1(scores, genre) for genre in labels])),
            ece=expected_calibration_error(scores.confidence, correct),
            selective_accuracy=float(correct[covered].mean()) if covered.any() else None,
            coverage=float(covered.mean()),
        )

    def rounded(self) -> dict[str, Any]:
        """Return the metrics as a dictionary, to four digits."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def _f1(scores: Scores, genre: int) -> float:
    """Return the F1 of a genre, ten times as fast as scikit-learn: bootstraps need thousands."""
    predicted, true = scores.predicted == genre, scores.genre == genre
    return 2.0 * float((predicted & true).sum()) / max(float(predicted.sum() + true.sum()), 1.0)


def precision_and_recall(scores: Scores, genres: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Return precision and recall of each genre, 0 where they are not defined.

    A track with several genres counts as recalled if any of them is predicted. genres: (tracks,
    genres), True if the track has the genre.
    """
    correct = scores.correct
    return [
        (_share(correct[scores.predicted == genre]), _share(correct[members]))
        for genre, members in enumerate(genres.T)
    ]


def _share(correct: NDArray[np.bool_]) -> float:
    return float(correct.mean()) if len(correct) else 0.0


def confusion_matrix(scores: Scores, genres: int) -> NDArray[np.intp]:
    """Return how often each genre, by row, was predicted as each genre, by column."""
    matrix = np.zeros((genres, genres), np.intp)
    np.add.at(matrix, (scores.genre, scores.predicted), 1)
    return matrix
