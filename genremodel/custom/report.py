"""Cross-validation report of a custom model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from genremodel.custom.custom_model import Estimator, label_word
from genremodel.custom.dataset import LabeledDataset
from genremodel.evaluation import (
    FOLDS,
    Metrics,
    OutOfFold,
    Scores,
    confusion_matrix,
    precision_and_recall,
)

if TYPE_CHECKING:  # slow to import
    from rich.table import Table

# Predict what is more likely right than wrong: the report shows the user how often that is so.
MIN_CONFIDENCE = 0.5
# "Slight" agreement in Landis and Koch, "The measurement of observer agreement for categorical
# data", 1977: barely more than chance.
_SLIGHT = 0.2
MIN_TESTED = 30  # tracks; fewer are too few for a comparison
_SHOWN = 10  # confused pairs and suspect labels


@dataclass(frozen=True)
class GenreScores:
    """Scores of one genre on unseen artists.

    Parameters
    ----------
    genre
        Name of the genre.
    tracks, artists
        Numbers of tracks that have the genre, and of their artists.
    tested
        Number of the tracks that the model is tested on.
    precision
        Share of the tracks predicted as the genre that have it.
    recall
        Share of the tracks of the genre that are predicted correctly, be it as another genre that
        they have.
    """

    genre: str
    tracks: int
    artists: int
    tested: int
    precision: float
    recall: float


@dataclass(frozen=True)
class SuspectLabel:
    """A track for which a genre that it does not have is predicted with confidence.

    Parameters
    ----------
    index
        Index of the track among those trained on.
    genres
        Genres of the track.
    predicted
        Predicted genre.
    confidence
        Of the prediction.
    """

    index: int
    genres: tuple[str, ...]
    predicted: str
    confidence: float


@dataclass(frozen=True)
class TrainingReport:
    """Cross-validation of a custom model on unseen artists.

    A track with several genres is predicted correctly if it has the predicted genre.

    Parameters
    ----------
    tracks, artists
        Numbers of tracks and of artists that the model is trained on.
    tested
        Number of the tracks that it is tested on, see `LabeledTrack`. All shares are of these.
    balanced_accuracy
        Accuracy averaged over genres, of each estimator. The best was used for the rest.
    accuracy
        Share of the tracks that are predicted correctly, abstentions included.
    majority_baseline
        Accuracy of always predicting the most frequent genre.
    calibration_error
        Expected calibration error of the confidence.
    coverage
        Share of the tracks for which the model does not abstain.
    selective_accuracy
        Accuracy on those tracks; None if there are none.
    genres
        Scores of each genre.
    confused
        True genre, predicted genre and number of tracks, most frequent first.
    suspect_labels
        Possibly mislabeled tracks, most confident predictions first.
    warnings
        Reasons to doubt the model.
    correct
        Whether each track is predicted correctly, be it tested or not.
    field
        Field that the genres are from.

    Examples
    --------
    For tracks as in the example of `train`:

    >>> from genremodel.custom import train
    >>> _, report = train(tracks)
    >>> report.tracks == len(tracks) == len(report.correct)
    True
    """

    tracks: int
    artists: int
    tested: int
    balanced_accuracy: Mapping[Estimator, float]
    accuracy: float
    majority_baseline: float
    calibration_error: float
    coverage: float
    selective_accuracy: float | None
    genres: tuple[GenreScores, ...]
    confused: tuple[tuple[str, str, int], ...]
    suspect_labels: tuple[SuspectLabel, ...]
    warnings: tuple[str, ...]
    correct: tuple[bool, ...]
    field: str = "genres"

    def summary(self) -> dict[str, Any]:
        """Return the metrics that are stored with the model."""
        return {
            "tracks": self.tracks,
            "artists": self.artists,
            "accuracy": round(self.accuracy, 4),
            "majority": round(self.majority_baseline, 4),
            "calibration_error": round(self.calibration_error, 4),
        }

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=200, color_system=None)
        with console.capture() as captured:
            for part in self.render():
                console.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))
        lines = [line.rstrip() for line in captured.get().splitlines()]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    def render(self, paths: Sequence[str] | None = None) -> Iterator[Table | str]:
        """Yield the report without the warnings: a table of the genres, then lines of text.

        paths: of the tracks, by which suspect labels are listed; by default, their indices.
        """
        from rich.table import Table
        from rich.text import Text

        table = Table(label_word(self.field), box=None, pad_edge=False)
        for column in ("tracks", "artists", "precision", "recall"):
            table.add_column(column, justify="right")
        for genre in self.genres:
            table.add_row(
                Text(genre.genre), str(genre.tracks), str(genre.artists),
                f"{genre.precision:.2f}", f"{genre.recall:.2f}",
            )  # fmt: skip
        yield table
        yield (
            f"{self.tracks} tracks by {self.artists} artists. Cross-validated on unseen artists:"
        )
        if self.tested < self.tracks:
            yield f"tested on {self.tested} tracks: the others are accepted predictions"
        balanced = ", ".join(
            f"{name} {share:.0%}" for name, share in self.balanced_accuracy.items()
        )
        yield (
            f"accuracy {self.accuracy:.0%} (majority class: {self.majority_baseline:.0%}); "
            f"balanced accuracy: {balanced}"
        )
        if self.selective_accuracy is not None:
            yield (
                f"at confidence {MIN_CONFIDENCE}: coverage {self.coverage:.0%}, accuracy "
                f"{self.selective_accuracy:.0%}; calibration error {self.calibration_error:.2f}"
            )
        missed = [genre.genre for genre in self.genres if genre.tested and not genre.recall]
        if missed:
            yield f"never recognized: {', '.join(missed)}"
        if self.confused:
            pairs = (f"{true} as {other} ({n})" for true, other, n in self.confused[:_SHOWN])
            yield f"confused: {', '.join(pairs)}"
        if self.suspect_labels:
            yield "possibly mislabeled:"
        for suspect in self.suspect_labels[:_SHOWN]:
            track = paths[suspect.index] if paths else f"track {suspect.index}"
            yield (
                f"  {track}: {', '.join(suspect.genres)}, "
                f"predicted {suspect.predicted} ({suspect.confidence:.2f})"
            )


def balanced_accuracy(dataset: LabeledDataset, predictions: OutOfFold) -> float:
    """Return the accuracy by all windows on tested tracks, averaged over their genres."""
    correct = predictions.correct[predictions.all_windows]
    tested = (dataset.genres & dataset.is_tested[:, np.newaxis]).T
    return float(np.mean([correct[members].mean() for members in tested if members.any()]))


def calibrating(dataset: LabeledDataset, predictions: OutOfFold) -> OutOfFold:
    """Return the out-of-fold predictions that calibrate the confidence: those of tested tracks.

    All are returned if these are too few.
    """
    tested = dataset.is_tested
    if tested.sum() < MIN_TESTED or len(np.unique(dataset.artist[tested])) < FOLDS:
        return predictions
    return predictions[tested[predictions.track]]


def summarize(
    dataset: LabeledDataset,
    predictions: OutOfFold,
    accuracies: Mapping[Estimator, float],
    *,
    field: str,
    accepts_nonmusic: bool,
) -> TrainingReport:
    """Return the report of out-of-fold predictions in the order of the tracks.

    accuracies: balanced, by estimator. field: that the genres are from. accepts_nonmusic: the model
    predicts non-music, too.
    """
    tracks = predictions[predictions.all_windows]
    confidence = tracks.confidence(known=calibrating(dataset, predictions))
    scores = tracks.scores(confidence, MIN_CONFIDENCE)
    if not accepts_nonmusic:
        scores = replace(scores, abstained=scores.abstained | ~dataset.is_music)
    tested, genres = scores[dataset.is_tested], dataset.genres[dataset.is_tested]
    metrics = Metrics.from_scores(tested)
    artists = [len(np.unique(dataset.artist[members])) for members in dataset.genres.T]
    return TrainingReport(
        tracks=len(scores),
        artists=len(np.unique(dataset.artist)),
        tested=metrics.tracks,
        balanced_accuracy=accuracies,
        accuracy=metrics.accuracy,
        majority_baseline=float(genres.mean(axis=0).max()),
        calibration_error=metrics.ece,
        coverage=metrics.coverage,
        selective_accuracy=metrics.selective_accuracy,
        genres=tuple(
            GenreScores(name, int(members.sum()), count, int(of_tested.sum()), *shares)
            for name, members, count, of_tested, shares in zip(
                dataset.names,
                dataset.genres.T,
                artists,
                genres.T,
                precision_and_recall(tested, genres),
                strict=True,
            )
        ),
        confused=tuple(_confused(tested, dataset.names)),
        suspect_labels=tuple(_suspect_labels(dataset, scores, artists)),
        warnings=tuple(_warnings(dataset, tested)),
        correct=tuple(scores.correct.tolist()),
        field=field,
    )


def _confused(scores: Scores, names: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """Yield confused pairs of genres and how often, most frequent first."""
    matrix = confusion_matrix(scores, len(names))
    np.fill_diagonal(matrix, 0)
    for cell in np.argsort(-matrix, axis=None, kind="stable")[: np.count_nonzero(matrix)]:
        true, predicted = divmod(int(cell), len(names))
        yield names[true], names[predicted], int(matrix[true, predicted])


def _suspect_labels(
    dataset: LabeledDataset, scores: Scores, artists: Sequence[int]
) -> Iterator[SuspectLabel]:
    """Yield suspect labels, most confident first. artists: number of artists of each genre.

    A genre by one artist cannot be predicted without that artist, so its label is no suspect.
    """
    learnable = dataset.genres @ (np.array(artists) > 1)
    suspects = np.flatnonzero(~scores.correct & ~scores.abstained & learnable)
    for track in suspects[np.argsort(-scores.confidence[suspects], kind="stable")].tolist():
        yield SuspectLabel(
            track,
            tuple(np.array(dataset.names)[dataset.genres[track]].tolist()),
            dataset.names[scores.predicted[track]],
            float(scores.confidence[track]),
        )


def _warnings(dataset: LabeledDataset, scores: Scores) -> Iterator[str]:
    from sklearn.metrics import cohen_kappa_score  # slow to import

    artists = len(np.unique(dataset.artist))
    if artists < FOLDS:
        yield f"with {artists} artists, accuracy on unseen artists cannot be estimated"
    single = len(np.unique([scores.genre, scores.predicted])) == 1
    if single or cohen_kappa_score(scores.genre, scores.predicted) < _SLIGHT:
        yield "barely better than chance on unseen artists"
