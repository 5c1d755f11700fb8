"""What to expect of a learned model, for whoever learned it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from genremodel.calibration import expected_calibration_error
from genremodel.custom.dataset import LabeledDataset
from genremodel.custom.store import Estimator
from genremodel.evaluation import FOLDS, OutOfFold

# More likely right than wrong: whoever has learned a model has seen how often it is.
MIN_CONFIDENCE = 0.5
# What Landis and Koch, "The measurement of observer agreement for categorical data", 1977, call
# slight agreement: hardly more than by chance.
_SLIGHT = 0.2


@dataclass(frozen=True)
class GenreScores:
    """How well tracks of one genre are named by a model that never heard their artist.

    precision: of the tracks that are given it, how many have it. recall: of the tracks that have
    it, how many are rightly named, be it by another genre that they have too.
    """

    genre: str
    tracks: int
    artists: int
    precision: float
    recall: float


@dataclass(frozen=True)
class SuspectLabel:
    """A track that is confidently given another genre than its own. index: among the examples."""

    index: int
    genre: str
    confidence: float


@dataclass(frozen=True)
class TrainingReport:
    """What to expect of a learned model: cross-validation in which no artist is on both sides.

    A track is rightly named when it has the genre, whatever else it has.
    recalls: means over the genres, each counting the same, by the estimators that were tried; the
    best was taken. accuracy: share of all tracks that are rightly named. commonest: that of the
    commonest genre, which always naming it would score. calibration_error: of the confidence.
    decided: share of the tracks that are sure enough for a genre; right: share of those that are
    rightly named, None if there are none.
    confused: genre, what it was named instead, and how often, most often first.
    doubts: most confident first. warnings: why the model may be of little use. rightly: of each
    example, whether it is rightly named.
    """

    tracks: int
    artists: int
    recalls: dict[Estimator, float]
    accuracy: float
    commonest: float
    calibration_error: float
    decided: float
    right: float | None
    genres: tuple[GenreScores, ...]
    confused: tuple[tuple[str, str, int], ...]
    doubts: tuple[SuspectLabel, ...]
    warnings: tuple[str, ...]
    rightly: tuple[bool, ...]

    def summary(self) -> dict[str, Any]:
        """Return what is kept with the model."""
        return {
            "tracks": self.tracks,
            "artists": self.artists,
            "accuracy": round(self.accuracy, 4),
            "calibration_error": round(self.calibration_error, 4),
        }


def balanced_accuracy(tracks: LabeledDataset, trial: OutOfFold) -> float:
    """Return the share of rightly named tracks, every genre counting the same."""
    right = trial.right[trial.whole]
    return float(np.mean([right[having].mean() for having in tracks.genres.T]))


def summarize(
    tracks: LabeledDataset,
    trial: OutOfFold,
    recalls: dict[Estimator, float],
    is_music: NDArray[np.bool_],
) -> TrainingReport:
    """Return what a trial tells.

    recalls: as `TrainingReport` has them. is_music: (tracks,) False where no genre is given.
    """
    confidence, wholes = trial.confidence()[trial.whole], trial[trial.whole]
    named, right = wholes.named, wholes.right
    decided = (confidence >= MIN_CONFIDENCE) & is_music
    true = np.where(right, named, tracks.main_genres(wholes.track))
    wrong = Counter(zip(true[~right].tolist(), named[~right].tolist(), strict=True))
    figures = tuple(_figures(tracks, wholes, index) for index in range(len(tracks.names)))
    # A genre by one artist cannot have been learned without that artist: no reason to doubt it.
    learnable = tracks.genres @ np.array([genre.artists > 1 for genre in figures])
    doubted = np.flatnonzero(~right & decided & learnable)
    artists = len(np.unique(tracks.artist))
    return TrainingReport(
        tracks=len(named),
        artists=artists,
        recalls=recalls,
        accuracy=float(right.mean()),
        commonest=float(tracks.genres.mean(axis=0).max()),
        calibration_error=expected_calibration_error(confidence, right),
        decided=float(decided.mean()),
        right=float(right[decided].mean()) if decided.any() else None,
        genres=figures,
        confused=tuple(
            (tracks.names[genre], tracks.names[other], count)
            for (genre, other), count in wrong.most_common()
        ),
        doubts=tuple(
            SuspectLabel(int(track), tracks.names[named[track]], float(confidence[track]))
            for track in doubted[np.argsort(-confidence[doubted], kind="stable")]
        ),
        warnings=tuple(_warnings(artists, true, named)),
        rightly=tuple(right.tolist()),
    )


def _warnings(artists: int, true: NDArray[np.intp], named: NDArray[np.intp]) -> Iterator[str]:
    if artists < FOLDS:
        yield f"with {artists} artists nothing can be said of how it does on others"
    one = len(np.unique([true, named])) == 1
    if one or cohen_kappa_score(true, named) < _SLIGHT:
        yield "on artists that it has not heard it is hardly better than chance"


def _figures(tracks: LabeledDataset, wholes: OutOfFold, index: int) -> GenreScores:
    members, chosen = tracks.genres[:, index], wholes.named == index
    return GenreScores(
        tracks.names[index],
        tracks=int(members.sum()),
        artists=len(np.unique(tracks.artist[members])),
        precision=float(members[chosen].mean()) if chosen.any() else 0.0,
        recall=float(wholes.right[members].mean()),
    )
