from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from genremodel.album_decision import AlbumDecision, decide_for_tracks
from genremodel.calibration import Calibration
from genremodel.custom.report import MIN_CONFIDENCE
from genremodel.models.bundled import bundled_params
from genremodel.models.novelty import NONMUSIC_NOVELTY
from genremodel.prediction import DecisionParams, Prediction
from genremodel.voting import (
    AGGREGATIONS,
    Aggregation,
    abstain_silent,
    track_confidence,
    vote_album,
    vote_track,
    winning_genre,
)

GENRES = ("blues", "jazz", "rock")
# The confidence is the mean probability.
PLAIN = Calibration(intercept=0.0, probability=1.0, novelty=0.0, windows=0.0, median_novelty=0.0)
PARAMS = DecisionParams(GENRES, (0.2, 0.3, 0.5), PLAIN, min_confidence=0.4, model="m")


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
def test_winning_genre(rows: list[list[float]], majority: int, mean: int) -> None:
    probabilities = np.array(rows)
    assert winning_genre(probabilities, PARAMS.prior, "majority") == majority
    assert winning_genre(probabilities, PARAMS.prior, "mean") == mean


@given(distributions(), st.sampled_from(AGGREGATIONS))
def test_order_of_windows_does_not_matter(
    probabilities: NDArray[np.float64], aggregation: Aggregation
) -> None:
    backwards = winning_genre(probabilities[::-1], PARAMS.prior, aggregation)
    assert winning_genre(probabilities, PARAMS.prior, aggregation) == backwards


@given(distributions())
def test_majority_winner_has_most_votes(probabilities: NDArray[np.float64]) -> None:
    index = winning_genre(probabilities, PARAMS.prior, "majority")
    votes = np.bincount(probabilities.argmax(axis=1), minlength=len(GENRES))
    assert votes[index] == votes.max()


@pytest.mark.parametrize("knn", [False, True])
def test_one_audible_window_gives_less_confidence(knn: bool) -> None:
    params = bundled_params("knn" if knn else "cnn")
    row = np.full(len(params.genres), 0.001)
    row[3] = 1 - row[1:].sum()
    starts = 3 * np.arange(10.0)
    one = vote_track(row[np.newaxis], 1.0, starts, np.arange(10) == 4, params)
    ten = vote_track(np.tile(row, (10, 1)), 1.0, starts, np.ones(10, np.bool_), params)
    short = vote_track(row[np.newaxis], 1.0, starts[:1], np.ones(1, np.bool_), params)
    assert one.confidence == short.confidence
    assert one.confidence is not None
    assert ten.confidence is not None
    assert round(one.confidence, 3) < round(ten.confidence, 3)


def _vote(
    rows: list[list[float]],
    audible: list[bool] | None = None,
    min_confidence: float | None = None,
    novelty: float = 0.0,
    params: DecisionParams = PARAMS,
) -> Prediction:
    votes = np.array(audible or [True] * len(rows))
    starts = 3 * np.arange(len(votes), dtype=np.float64)
    if min_confidence is not None:
        params = replace(params, min_confidence=min_confidence)
    return vote_track(np.array(rows), novelty, starts, votes, params)


def test_prediction_of_confident_track() -> None:
    prediction = _vote([[0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.6, 0.2, 0.2]])
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


def test_abstention_has_reason_and_votes() -> None:
    doubtful = _vote([[0.34, 0.33, 0.33], [0.35, 0.33, 0.32]])
    assert (doubtful.genre, doubtful.reason) == (None, "low confidence")
    assert doubtful.confidence == pytest.approx(0.345)
    tied = _vote([[0.5, 0.1, 0.4], [0.1, 0.5, 0.4]])
    assert (tied.genre, tied.reason, tied.votes) == (None, "tie", {"blues": 1, "jazz": 1})
    assert _vote([[0.5, 0.1, 0.4], [0.1, 0.5, 0.4]], min_confidence=0.1).genre == "jazz"


def test_track_of_two_genres_has_a_low_confidence() -> None:
    blues, jazz = [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]
    # The confidence in a mean probability of 0.5 is 0.82.
    lenient = replace(PARAMS, calibration=replace(PLAIN, intercept=1.5))

    def confidence(first: int, second: int) -> float | None:
        rows = np.array([blues] * first + [jazz] * second)
        voters = np.ones(len(rows), np.bool_)
        starts = np.linspace(0, 60, len(rows))
        return vote_track(rows, 0.0, starts, voters, lenient).confidence

    assert confidence(5, 5) == confidence(3, 7) == confidence(3, 3) == 0.49
    assert MIN_CONFIDENCE > 0.49, "custom models abstain, too"
    for windows in ((8, 2), (2, 3), (0, 10)):
        assert (confidence(*windows) or 0) > 0.7


def test_calibration_of_a_small_slope_lowers_only_the_confidence_in_two_genres() -> None:
    """As one of custom models may have: it is confident in any probability."""
    flat = replace(PLAIN, intercept=3.0, probability=0.05)
    weaker = np.array([0.0, 0.8])
    one, two = track_confidence(flat, [0.8, 0.5], weaker, 0.0, 10)
    assert (one > 0.9, two) == (True, 0.49)


def test_silent_windows_do_not_vote() -> None:
    some = _vote([[0.1, 0.8, 0.1]], audible=[False, True])
    assert some.votes == {"jazz": 1}
    assert [window.genre for window in some.windows] == [None, "jazz"]
    assert (SILENT.genre, SILENT.confidence, SILENT.reason) == (None, None, "silence")
    assert (SILENT.votes, len(SILENT.windows)) == ({}, 1)


def test_too_short_track_has_no_windows() -> None:
    assert (SHORT.genre, SHORT.confidence, SHORT.reason) == (None, None, "too short")
    assert SHORT.windows == ()


def test_unfamiliar_if_only_novelty_lowers_confidence() -> None:
    params = replace(PARAMS, calibration=replace(PLAIN, novelty=-1.0))
    assert _vote([JAZZ], params=params).genre == "jazz"
    assert _vote([JAZZ], novelty=3.0, params=params).reason == "unfamiliar"
    assert _vote([ODD], novelty=3.0, params=params).reason == "low confidence"
    few = replace(params, calibration=replace(PLAIN, novelty=-1.0, windows=1.0))
    assert _vote([ODD], novelty=3.0, params=few).reason == "low confidence", "of one window"
    assert _vote([ODD] * 3, novelty=3.0, params=few).reason == "unfamiliar", "of three"


@pytest.mark.parametrize("novelty", [NONMUSIC_NOVELTY, np.nan])
def test_nonmusic_abstains_whatever_its_confidence(novelty: float) -> None:
    track = _vote([JAZZ], novelty=novelty, min_confidence=0.0)
    assert (track.genre, track.reason) == (None, "not music")
    album = vote_album([track, track], replace(PARAMS, min_confidence=0.0))
    assert (album.genre, album.reason, album.votes) == (None, "not music", {"abstained": 2})
    assert vote_album([track, _vote([ROCK])], PARAMS).genre == "rock"


def test_params_excluding_genres() -> None:
    params = PARAMS.excluding({"jazz"})
    assert (params.genres, params.prior) == (("blues", "rock"), (0.2, 0.5))
    assert PARAMS.excluding(()) == PARAMS


@pytest.mark.parametrize("threshold", [0.0, 0.4, np.nan])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("wrong", ["probabilities", "novelty", "calibration", "threshold"])
def test_nan_abstains(wrong: str, aggregation: Aggregation, threshold: float) -> None:
    row = [np.nan] * 3 if wrong == "probabilities" else JAZZ
    novelty = np.nan if wrong == "novelty" else 0.0
    calibration = replace(PLAIN, intercept=np.nan if wrong == "calibration" else 0.0)
    threshold = np.nan if wrong == "threshold" else threshold
    params = replace(PARAMS, calibration=calibration, min_confidence=threshold)
    track = vote_track(
        np.array([row]), novelty, np.zeros(1), np.array([True]), params, aggregation=aggregation
    )
    assert track.genre is None
    assert track.reason
    assert track.confidence is None or track.confidence > 0
    album = vote_album([track, track], params)
    assert album.genre is None
    assert album.reason


def test_album_of_tracks_without_confidence_abstains() -> None:
    params = replace(PARAMS, calibration=replace(PLAIN, intercept=np.nan), min_confidence=0.0)
    album = vote_album([_vote([JAZZ])], params)
    assert (album.genre, album.confidence) == (None, None)


JAZZ, ROCK, ODD = [0.1, 0.8, 0.1], [0.0, 0.1, 0.9], [0.35, 0.33, 0.32]


SILENT = abstain_silent(np.zeros(1), np.array([False]), PARAMS)
SHORT = abstain_silent(np.zeros(0), np.zeros(0, np.bool_), PARAMS)


def test_tracks_of_album_weigh_the_same() -> None:
    album = vote_album([_vote([ROCK] * 10), _vote([JAZZ]), _vote([JAZZ])], PARAMS)
    assert (album.genre, album.votes) == ("jazz", {"jazz": 2, "rock": 1})
    assert album.confidence == pytest.approx((0.1 + 0.8 + 0.8) / 3)
    assert album.probabilities == pytest.approx(
        {"blues": 0.2 / 3, "jazz": 1.7 / 3, "rock": 1.1 / 3}
    )


def test_abstaining_tracks_of_album_vote() -> None:
    album = vote_album([_vote([ODD]), SILENT, _vote([JAZZ])], PARAMS)
    assert [*album.votes.items()] == [("jazz", 1), ("abstained", 2)]
    assert album.confidence == pytest.approx((0.33 + 0.8) / 2)


def test_album_without_majority_abstains() -> None:
    params = replace(PARAMS, min_confidence=0.9)
    album = vote_album([_vote([JAZZ]), _vote([ROCK])], params)
    assert (album.genre, album.reason) == (None, "tie")
    assert vote_album([_vote([ODD])], PARAMS).reason == "low confidence"


@pytest.mark.parametrize(
    ("tracks", "reason"),
    [([SHORT, SHORT], "too short"), ([SILENT, SHORT], "silence"), ([], "silence")],
)
def test_album_without_audible_tracks(tracks: list[Prediction], reason: str) -> None:
    album = vote_album(tracks, PARAMS)
    assert (album.genre, album.confidence, album.reason) == (None, None, reason)
    assert album.votes == ({"abstained": 2} if tracks else {})


@given(st.lists(distributions(), min_size=1, max_size=6))
def test_order_of_tracks_does_not_matter(tracks: list[NDArray[np.float64]]) -> None:
    predictions = [_vote(rows.tolist()) for rows in tracks]
    one, other = vote_album(predictions, PARAMS), vote_album(predictions[::-1], PARAMS)
    assert one.genre == other.genre
    assert one.votes == other.votes
    assert one.confidence == pytest.approx(other.confidence)
    assert sum(one.votes.values()) == len(tracks)


@pytest.mark.parametrize(
    ("tracks", "genre"),
    [(2, "jazz"), (1, None)],
)
def test_several_tracks_of_an_album_need_less_confidence(tracks: int, genre: str | None) -> None:
    params = replace(PARAMS, min_confidence=0.9, min_album_confidence=0.7)
    assert vote_album([SILENT, *[_vote([JAZZ])] * tracks], params).genre == genre


def _decision(*tracks: Prediction, share: float = 1.0, compilation: bool = False) -> AlbumDecision:
    album = vote_album(tracks, replace(PARAMS, min_album_confidence=0.4))
    return decide_for_tracks(album, tracks, artist_share=share, is_compilation=compilation)


def _taking(*tracks: Prediction, share: float = 1.0, compilation: bool = False) -> list[bool]:
    return _decision(*tracks, share=share, compilation=compilation).taking


def test_uncertain_tracks_take_the_genre_of_their_album() -> None:
    jazz, rock, odd = _vote([JAZZ]), _vote([ROCK]), _vote([ODD])
    nonmusic = _vote([JAZZ], novelty=NONMUSIC_NOVELTY)
    assert _taking(jazz, rock, odd, jazz, SILENT, SHORT, nonmusic) == [
        False, False, True, False, False, False, False
    ]  # fmt: skip
    assert _taking(jazz, odd, share=0.75) == [False, True]
    assert not any(_taking(jazz, odd, share=0.74))
    assert not any(_taking(jazz, odd, compilation=True))
    assert not any(_taking(odd, SILENT)), "one track votes"
    assert _taking(jazz, odd, _vote([[0.1, 0.46, 0.44]])) == [False, True, False]


def test_genre_of_an_album_wins_in_half_of_its_tracks() -> None:
    """However large its mean confidence is."""
    jazz, rock = _vote([[0.0, 0.9, 0.1]]), _vote([[0.0, 0.49, 0.51]])
    odd = replace(rock, genre=None, reason="low confidence")
    assert _taking(jazz, odd) == [False, True]
    assert vote_album([jazz, rock, odd], PARAMS).genre == "jazz"
    assert not any(_taking(jazz, rock, odd))
    assert _decision(jazz, rock, odd).objection == "majority"


def test_first_objection_to_the_decision_of_an_album() -> None:
    jazz, odd = _vote([JAZZ]), _vote([ODD])
    assert _decision(jazz, odd).objection is None
    assert _decision(odd, share=0, compilation=True).objection == "compilation"
    assert _decision(odd, share=0.74).objection == "artists"
    assert _decision(odd, SILENT).objection == "votes"
    assert _decision(odd, odd).objection == "confidence"


def test_most_probable_genre_wins_in_tracks_by_mean_probability() -> None:
    jazz = _vote([JAZZ])
    split = _vote([[0.46, 0.44, 0.1], [0.46, 0.44, 0.1], [0.0, 0.9, 0.1]], min_confidence=0.7)
    tracks = [jazz, split, split]
    assert split.votes == {"blues": 2, "jazz": 1}
    album = vote_album(tracks, PARAMS)
    assert album.genre == "jazz"
    assert not any(decide_for_tracks(album, tracks, artist_share=1.0).taking)
    taking = decide_for_tracks(album, tracks, artist_share=1.0, aggregation="mean").taking
    assert taking == [False, True, True]


@given(
    st.lists(distributions(), min_size=1, max_size=6), st.booleans(), st.floats(0, 1), st.randoms()
)
def test_album_decides_only_where_it_must(
    tracks: list[NDArray[np.float64]], silent: bool, share: float, random: Random
) -> None:
    predictions = [_vote(rows.tolist(), min_confidence=0.6) for rows in tracks]
    voters = len(predictions)
    predictions += [SILENT, SHORT] * silent
    album = vote_album(predictions, PARAMS)
    taking = decide_for_tracks(album, predictions, artist_share=share).taking
    assert not any(takes and track.genre for takes, track in zip(taking, predictions, strict=True))
    assert not any(taking[voters:])
    if any(taking):
        winners = [track.genre or next(iter(track.votes)) for track in predictions[:voters]]
        assert voters >= 2
        assert share >= 0.75
        assert 2 * winners.count(str(album.genre)) >= voters
        assert all(
            takes == (track.genre is None)
            for takes, track in zip(taking[:voters], predictions, strict=False)
        ), "all that are uncertain, or none"
    shuffled = [*predictions]
    random.shuffle(shuffled)
    taken = decide_for_tracks(vote_album(shuffled, PARAMS), shuffled, artist_share=share).taking
    assert sum(taken) == sum(taking), "the order does not matter"
    assert not any(
        decide_for_tracks(album, predictions, artist_share=share, is_compilation=True).taking
    )
