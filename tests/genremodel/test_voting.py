from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from genremodel.calibration import Calibration
from genremodel.models.bundled import bundled_params
from genremodel.models.novelty import NONMUSIC_NOVELTY
from genremodel.prediction import DecisionParams, Prediction
from genremodel.voting import (
    AGGREGATIONS,
    Aggregation,
    abstain_silent,
    vote_album,
    vote_track,
    winning_genre,
)

GENRES = ("blues", "jazz", "rock")
# The confidence is the mean probability.
PLAIN = Calibration(intercept=0.0, probability=1.0, novelty=0.0, windows=0.0, median_novelty=0.0)
RULES = DecisionParams(GENRES, (0.2, 0.3, 0.5), PLAIN, min_confidence=0.4, model="m")


def distributions(rows: int = 12) -> st.SearchStrategy[NDArray[np.float64]]:
    weights = arrays(
        np.float64,
        st.tuples(st.integers(1, rows), st.just(len(GENRES))),
        elements=st.floats(0.001, 1),
    )
    return weights.map(lambda w: w / w.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("rows", "majority", "mean"),
    [
        ([[0.6, 0.3, 0.1]], 0, 0),
        ([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.0, 0.9, 0.1]], 0, 1),
        ([[0.6, 0.4, 0.0], [0.3, 0.7, 0.0]], 1, 1),  # tie: higher sum
        ([[0.6, 0.4, 0.0], [0.4, 0.6, 0.0]], 1, 1),  # tie, equal sums: the prior
        (
            [[0.5, 0.0, 0.5], [0.0, 0.5, 0.5]],
            1,
            2,
        ),  # the first of equals in a window, then the prior
    ],
)
def test_winner(rows: list[list[float]], majority: int, mean: int) -> None:
    probabilities = np.array(rows)
    assert winning_genre(probabilities, RULES.prior, "majority") == majority
    assert winning_genre(probabilities, RULES.prior, "mean") == mean


@given(distributions(), st.sampled_from(AGGREGATIONS))
def test_the_order_of_windows_does_not_matter(
    probabilities: NDArray[np.float64], vote: Aggregation
) -> None:
    backwards = winning_genre(probabilities[::-1], RULES.prior, vote)
    assert winning_genre(probabilities, RULES.prior, vote) == backwards


@given(distributions())
def test_no_genre_has_more_votes_than_the_winner(probabilities: NDArray[np.float64]) -> None:
    index = winning_genre(probabilities, RULES.prior, "majority")
    votes = np.bincount(probabilities.argmax(axis=1), minlength=len(GENRES))
    assert votes[index] == votes.max()


@given(st.floats(0, 1), st.floats(0, 3), st.floats(0, 1), st.integers(1, 30))
def test_confidence_grows_with_probability_and_windows_and_falls_with_novelty(
    probability: float, novelty: float, more: float, windows: int
) -> None:
    calibration = Calibration(0.5, 1.2, -1.3, 0.2, median_novelty=1.5)
    confidence = float(calibration.confidence(np.array(probability), novelty, windows))
    assert 0 <= confidence <= 1
    larger = np.array(min(probability + more, 1.0))
    assert calibration.confidence(larger, novelty, windows) >= confidence
    assert calibration.confidence(np.array(probability), novelty + more, windows) <= confidence
    assert calibration.confidence(np.array(probability), novelty, windows + 1) >= confidence


BUNDLED = [bundled_params(backend).calibration for backend in ("cnn", "knn")]
LEARNED = [
    Calibration(intercept, probability, novelty, windows, 1.5).favoring_many_windows()
    for intercept, probability, novelty in ((2.8, 1.1, -1.4), (0.0, 1.0, 0.0), (9.0, 30.0, 0.0))
    for windows in (-2.0, 0.0, 0.05, 1.0)
]


@pytest.mark.parametrize("calibration", [*BUNDLED, *LEARNED])
@given(probability=st.floats(0.02, 1), novelty=st.floats(0, 4))
def test_one_window_is_less_sure_than_ten_such_windows(
    calibration: Calibration, probability: float, novelty: float
) -> None:
    sure = [float(calibration.confidence(probability, novelty, n)) for n in (1, 2, 3, 10)]
    assert sure == sorted(sure)
    assert sure[0] < sure[-1] or sure[-1] < 1e-9
    assert sure[0] <= 0.99


@pytest.mark.parametrize("knn", [False, True])
def test_a_track_with_one_audible_window_is_less_sure(knn: bool) -> None:
    rules = bundled_params("knn" if knn else "cnn")
    row = np.full(len(rules.genres), 0.001)
    row[3] = 1 - row[1:].sum()
    starts = 3 * np.arange(10.0)
    one = vote_track(row[np.newaxis], 1.0, starts, np.arange(10) == 4, rules)
    ten = vote_track(np.tile(row, (10, 1)), 1.0, starts, np.ones(10, np.bool_), rules)
    short = vote_track(row[np.newaxis], 1.0, starts[:1], np.ones(1, np.bool_), rules)
    assert one.confidence == short.confidence
    assert one.confidence is not None
    assert ten.confidence is not None
    assert round(one.confidence, 3) < round(ten.confidence, 3)


def _decide(
    rows: list[list[float]],
    audible: list[bool] | None = None,
    min_confidence: float | None = None,
    novelty: float = 0.0,
    rules: DecisionParams = RULES,
) -> Prediction:
    heard = np.array(audible or [True] * len(rows))
    starts = 3 * np.arange(len(heard), dtype=np.float64)
    return vote_track(np.array(rows), novelty, starts, heard, rules, min_confidence=min_confidence)


def test_a_decided_track() -> None:
    prediction = _decide([[0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.6, 0.2, 0.2]])
    assert prediction.genre == "jazz"
    assert prediction.reason is None
    assert prediction.confidence == pytest.approx(1.7 / 3)
    assert prediction.votes == {"jazz": 2, "blues": 1}
    assert prediction.probabilities["rock"] == pytest.approx(0.4 / 3)
    assert [(w.start, w.genre) for w in prediction.windows] == [
        (0.0, "jazz"),
        (3.0, "jazz"),
        (6.0, "blues"),
    ]
    assert prediction.model == "m"


def test_abstaining_keeps_the_reason_and_the_votes() -> None:
    doubtful = _decide([[0.34, 0.33, 0.33], [0.35, 0.33, 0.32]])
    assert (doubtful.genre, doubtful.reason) == (None, "low confidence")
    assert doubtful.confidence == pytest.approx(0.345)
    tied = _decide([[0.5, 0.1, 0.4], [0.1, 0.5, 0.4]])
    assert (tied.genre, tied.reason, tied.votes) == (None, "tie", {"blues": 1, "jazz": 1})
    assert _decide([[0.5, 0.1, 0.4], [0.1, 0.5, 0.4]], min_confidence=0.1).genre == "jazz"


def test_silence_never_votes() -> None:
    some = _decide([[0.1, 0.8, 0.1]], audible=[False, True])
    assert some.votes == {"jazz": 1}
    assert [window.genre for window in some.windows] == [None, "jazz"]
    assert (SILENT.genre, SILENT.confidence, SILENT.reason) == (None, None, "silence")
    assert (SILENT.votes, len(SILENT.windows)) == ({}, 1)


def test_what_is_too_short_has_no_windows() -> None:
    assert (SHORT.genre, SHORT.confidence, SHORT.reason) == (None, None, "too short")
    assert SHORT.windows == ()


def test_unfamiliar_is_what_would_be_sure_enough_if_it_were_not() -> None:
    rules = replace(RULES, calibration=replace(PLAIN, novelty=-1.0))
    assert _decide([JAZZ], rules=rules).genre == "jazz"
    assert _decide([JAZZ], novelty=3.0, rules=rules).reason == "unfamiliar"
    assert _decide([ODD], novelty=3.0, rules=rules).reason == "low confidence"
    assert _decide([ODD], novelty=NONMUSIC_NOVELTY, rules=rules).reason == "not music"
    few = replace(rules, calibration=replace(PLAIN, novelty=-1.0, windows=1.0))
    assert _decide([ODD], novelty=3.0, rules=few).reason == "low confidence", "of one window"
    assert _decide([ODD] * 3, novelty=3.0, rules=few).reason == "unfamiliar", "of three"


def test_the_rules_among_some_genres() -> None:
    rules = RULES.excluding({"jazz"})
    assert (rules.genres, rules.prior) == (("blues", "rock"), (0.2, 0.5))
    assert RULES.excluding(()) == RULES


@pytest.mark.parametrize("threshold", [0.0, 0.4, np.nan])
@pytest.mark.parametrize("vote", AGGREGATIONS)
@pytest.mark.parametrize("wrong", ["probabilities", "novelty", "calibration", "threshold"])
def test_nan_never_passes_a_threshold(wrong: str, vote: Aggregation, threshold: float) -> None:
    row = [np.nan] * 3 if wrong == "probabilities" else JAZZ
    novelty = np.nan if wrong == "novelty" else 0.0
    calibration = replace(PLAIN, intercept=np.nan if wrong == "calibration" else 0.0)
    threshold = np.nan if wrong == "threshold" else threshold
    rules = replace(RULES, calibration=calibration, min_confidence=threshold)
    track = vote_track(
        np.array([row]), novelty, np.zeros(1), np.array([True]), rules, aggregation=vote
    )
    assert track.genre is None
    assert track.reason
    assert track.confidence is None or track.confidence > 0
    album = vote_album([track, track], rules)
    assert album.genre is None
    assert album.reason


def test_album_is_not_decided_by_tracks_of_unknown_confidence() -> None:
    rules = replace(RULES, calibration=replace(PLAIN, intercept=np.nan), min_confidence=0.0)
    album = vote_album([_decide([JAZZ])], rules)
    assert (album.genre, album.confidence) == (None, None)


JAZZ, ROCK, ODD = [0.1, 0.8, 0.1], [0.0, 0.1, 0.9], [0.35, 0.33, 0.32]
SILENT = abstain_silent(np.zeros(1), np.array([False]), RULES)
SHORT = abstain_silent(np.zeros(0), np.zeros(0, np.bool_), RULES)


def test_a_long_track_weighs_as_much_as_a_short_one() -> None:
    album = vote_album([_decide([ROCK] * 10), _decide([JAZZ]), _decide([JAZZ])], RULES)
    assert (album.genre, album.votes) == ("jazz", {"jazz": 2, "rock": 1})
    assert album.confidence == pytest.approx((0.1 + 0.8 + 0.8) / 3)
    assert album.probabilities == pytest.approx(
        {"blues": 0.2 / 3, "jazz": 1.7 / 3, "rock": 1.1 / 3}
    )


def test_tracks_that_abstain_are_counted_last_and_vote_all_the_same() -> None:
    album = vote_album([_decide([ODD]), SILENT, _decide([JAZZ])], RULES)
    assert [*album.votes.items()] == [("jazz", 1), ("abstained", 2)]
    assert album.confidence == pytest.approx((0.33 + 0.8) / 2)


def test_a_split_album_abstains() -> None:
    album = vote_album([_decide([JAZZ]), _decide([ROCK])], RULES, min_confidence=0.9)
    assert (album.genre, album.reason) == (None, "tie")
    assert vote_album([_decide([ODD])], RULES).reason == "low confidence"


@pytest.mark.parametrize(
    ("tracks", "reason"),
    [([SHORT, SHORT], "too short"), ([SILENT, SHORT], "silence"), ([], "silence")],
)
def test_nothing_to_hear_on_an_album(tracks: list[Prediction], reason: str) -> None:
    album = vote_album(tracks, RULES)
    assert (album.genre, album.confidence, album.reason) == (None, None, reason)
    assert album.votes == ({"abstained": 2} if tracks else {})


@given(st.lists(distributions(), min_size=1, max_size=6))
def test_albums_do_not_depend_on_the_order_of_tracks(tracks: list[NDArray[np.float64]]) -> None:
    heard = [_decide(rows.tolist()) for rows in tracks]
    one, other = vote_album(heard, RULES), vote_album(heard[::-1], RULES)
    assert one.genre == other.genre
    assert one.votes == other.votes
    assert one.confidence == pytest.approx(other.confidence)
    assert sum(one.votes.values()) == len(tracks)
