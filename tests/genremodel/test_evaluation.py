"""Cross-validation grouped by artist, confidence of unseen artists, and metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from genremodel.calibration import Calibration
from genremodel.errors import TrainingError
from genremodel.evaluation import (
    Classify,
    Metrics,
    OutOfFold,
    Scores,
    Tracks,
    confusion_matrix,
    out_of_fold,
    precision_and_recall,
    predict_tracks,
    rarest_genre,
)
from genremodel.models.base import WindowProbabilities
from genremodel.prediction import DecisionParams
from genremodel.voting import vote_with_confidence

Array: TypeAlias = NDArray[np.float64]

GENRES = 3


def predictions(
    accuracy: Callable[[Array, Array], Array], count: int = 3000, windows: int = 10
) -> OutOfFold:
    """Return predictions of random probability and novelty with this accuracy, in five folds."""
    rng = np.random.default_rng(0)
    probability, novelty = rng.uniform(0.5, 0.99, count), rng.uniform(0, 3, count)
    correct = rng.random(count) < accuracy(probability, novelty)
    artist = np.arange(count) % 50
    return OutOfFold(
        track=np.arange(count),
        artist=np.char.add("artist ", artist.astype(str)),
        fold=artist % 5,
        all_windows=np.ones(count, np.bool_),
        genre=np.where(correct, 1, 0),
        predicted=np.ones(count, np.intp),
        probabilities=np.stack([1 - probability, probability], axis=1),
        weaker=np.zeros(count),
        novelty=novelty,
        windows=np.full(count, windows),
    )


def _tracks(count: int = 60) -> Tracks:
    """Return tracks of 12 windows, whose values are the number of the artist and the genre."""
    genre, artist = np.arange(count) % GENRES, np.arange(count) // GENRES % 10
    windows = [np.tile([a, g], (12, 1)).astype(float) for a, g in zip(artist, genre, strict=True)]
    genres = genre[:, np.newaxis] == np.arange(GENRES)
    return Tracks(windows, genres, artist.astype(str), [1 / GENRES] * GENRES)


TRACKS = _tracks()


def by_value(parts: Sequence[NDArray[np.floating]]) -> list[WindowProbabilities]:
    """Predict the genre that is in the values."""
    table = np.full((GENRES, GENRES), 0.1) + 0.7 * np.eye(GENRES)
    return [WindowProbabilities(table[part[:, 1].astype(int)], 1.0) for part in parts]


def test_tracks_of_two_genres_have_the_confidence_of_the_vote() -> None:
    """And so count as abstentions, as when they are classified."""
    rows = np.repeat([0, 1], [4, 6])
    divided = Tracks(
        [np.stack([np.zeros(10), genre], axis=1) for genre in (rows, np.ones(10))],
        np.array([[False, True, False]] * 2),
        np.array(["a", "b"]),
        [1 / GENRES] * GENRES,
    )
    calibration = Calibration(2.0, 1.0, 0.0, 0.0, median_novelty=0.0)
    scores = predict_tracks(divided, by_value)
    params = DecisionParams(("a", "b", "c"), (*divided.prior,), calibration, 0.7, "model")
    voted = [
        vote_with_confidence(found.probabilities, found.novelty, params, "majority")
        for found in by_value(divided.windows)
    ]
    confidence = scores.calibrated(calibration)
    assert confidence.tolist() == [confidence for _, confidence in voted]
    assert confidence[0] == 0.49 < 0.7 < confidence[1]


def test_models_are_fitted_without_the_held_out_artists() -> None:
    left_out: list[str] = []

    def fit(artists: NDArray[np.str_]) -> Classify:
        left_out.extend(artists.tolist())

        def classify(parts: Sequence[NDArray[np.floating]]) -> list[WindowProbabilities]:
            assert {str(int(part[0, 0])) for part in parts} == {*artists.tolist()}
            return by_value(parts)

        return classify

    table = out_of_fold(TRACKS, fit)
    assert sorted(left_out) == sorted({*TRACKS.artist.tolist()}), "each artist is held out once"
    assert len(np.unique(table.fold)) == 5
    assert {count: int((table.windows == count).sum()) for count in (1, 3, 12)} == {
        1: 60, 3: 60, 12: 60,
    }  # fmt: skip
    assert (table.all_windows == (table.windows == 12)).all()
    assert table.correct.all()
    assert table.probability == pytest.approx(0.8)


def test_folds_depend_on_the_seed_alone() -> None:
    first, same, other = (
        out_of_fold(_tracks(47), lambda _: by_value, seed=seed).track for seed in (0, 0, 1)
    )
    assert (first == same).all()
    assert (first != other).any()


def test_predictions_of_tracks_without_a_known_genre_are_wrong() -> None:
    genres = TRACKS.genres.copy()
    genres[0] = False
    table = predict_tracks(replace(TRACKS, genres=genres), by_value)
    assert table.correct.tolist() == [False] + [True] * (len(genres) - 1)
    assert table.genre[0] == -1


def test_a_track_counts_as_its_rarest_genre() -> None:
    genres = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 0, 1]], np.bool_)
    assert rarest_genre(genres).tolist() == [1, 0, 1, 2]


@pytest.mark.parametrize(
    ("genre", "artist", "message"),
    [
        ([0, 1, 2], ["a", "b", "c"], "too few tracks"),
        ([0, 0, 1, 1], ["a", "a", "a", "a"], "too few tracks"),
        ([0, 0, 1, 1], ["a", "a", "b", "b"], "too few artists"),
    ],
)
def test_too_little_for_cross_validation(genre: list[int], artist: list[str], message: str) -> None:
    genres = np.array(genre)[:, np.newaxis] == np.arange(GENRES)
    tracks = Tracks([np.zeros((1, 2))] * len(genre), genres, np.array(artist), [1 / 3] * 3)
    with pytest.raises(TrainingError, match=message):
        out_of_fold(tracks, lambda _: by_value)


def test_confidence_is_the_accuracy() -> None:
    calibration = predictions(lambda p, novelty: p / (1 + novelty)).calibration()
    for probability, novelty in ((0.9, 0.5), (0.6, 1.5), (0.8, 2.5)):
        confidence = float(calibration.confidence(probability, novelty, 10))
        assert confidence == pytest.approx(probability / (1 + novelty), abs=0.07)
    assert calibration.novelty < 0
    assert calibration.median_novelty == pytest.approx(1.5, abs=0.1)


def test_calibration_drops_what_the_predictions_do_not_support() -> None:
    assert predictions(lambda _, novelty: novelty / 3).calibration().novelty == 0
    few = predictions(lambda p, _: p, windows=2).calibration()
    assert 0 < few.windows <= 0.1, "fewer windows give a little less confidence"
    assert few.confidence(0.7, 1.5, 2) == pytest.approx(0.7, abs=0.05)
    reverse = predictions(lambda p, _: 1 - p).calibration()
    assert reverse.confidence(0.9, 1.0, 10) > reverse.confidence(0.6, 1.0, 10)


def test_confidence_ignores_the_artist() -> None:
    """Predictions of an artist are calibrated on others, however the folds divide them."""
    table = predictions(lambda p, _: p)
    fold = table.fold == 2
    spoiled = replace(table, genre=np.where(fold, 0, table.genre))
    assert (spoiled.confidence()[fold] == table.confidence()[fold]).all()
    assert (spoiled.confidence()[~fold] != table.confidence()[~fold]).all()
    shifted = replace(spoiled, fold=(spoiled.fold + 1) % 5)
    assert (table.confidence(shifted)[fold] == table.confidence()[fold]).all()


def test_confidence_within_one_table_leaves_out_the_fold() -> None:
    table = predictions(lambda p, _: p, count=500)
    for fold in range(5):
        here = table.fold == fold
        expected = table[here].calibrated(table[~here].calibration())
        assert (table.confidence()[here] == expected).all()


def scores(tracks: int, seed: int = 0) -> Scores:
    """Return scores with an accuracy and a confidence of 0.7, and a coverage of about 0.5."""
    rng = np.random.default_rng(seed)
    genre = np.arange(tracks) % 2
    predicted = np.where(np.arange(tracks) % 10 < 7, genre, 2)
    return Scores(genre, predicted, predicted, np.full(tracks, 0.7), rng.random(tracks) < 0.5)


def test_metrics_are_those_of_scikit_learn() -> None:
    some = scores(50)
    for labels in (None, np.arange(3)):
        found = Metrics.from_scores(some, labels)
        assert found.accuracy == sklearn_metrics.accuracy_score(some.genre, some.predicted)
        assert found.macro_f1 == pytest.approx(
            sklearn_metrics.f1_score(
                some.genre,
                some.predicted,
                labels=np.unique(some.genre) if labels is None else labels,
                average="macro",
                zero_division=0,
            )
        )
    expected = sklearn_metrics.confusion_matrix(some.genre, some.predicted)
    assert (confusion_matrix(some, 3) == expected).all()
    precision, recall = zip(
        *precision_and_recall(some, some.genre[:, np.newaxis] == np.arange(3)), strict=True
    )
    arguments = {"labels": np.arange(3), "average": None, "zero_division": 0}
    assert precision == pytest.approx(
        sklearn_metrics.precision_score(some.genre, some.predicted, **arguments)
    )
    assert recall == pytest.approx(
        sklearn_metrics.recall_score(some.genre, some.predicted, **arguments)
    )


def test_selective_accuracy_and_coverage() -> None:
    some = scores(100)
    covered = ~some.abstained
    found = Metrics.from_scores(some)
    assert found.coverage == covered.mean()
    assert found.selective_accuracy == some.correct[covered].mean()
    nothing = Metrics.from_scores(replace(some, abstained=np.ones(100, np.bool_)))
    assert (nothing.selective_accuracy, nothing.coverage) == (None, 0)


def test_calibration_error_of_confident_mistakes() -> None:
    some = scores(100)
    assert Metrics.from_scores(some).ece == pytest.approx(0, abs=1e-9)
    overconfident = replace(some, confidence=np.full(100, 0.9))
    assert Metrics.from_scores(overconfident).ece == pytest.approx(0.2)


def test_tables_are_indexed_and_concatenated() -> None:
    whole = scores(10)
    odd = np.arange(10) % 2 == 1
    both = whole[odd] + whole[~odd]
    assert len(whole[odd]) == 5
    assert sorted(both.predicted) == sorted(whole.predicted)
    assert (whole[np.array([3, 3])].genre == 1).all()
