"""Whether an album decides for its tracks on which the model is uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from genremodel.prediction import AbstainReason, Prediction
from genremodel.voting import MIN_VOTERS, Aggregation

_MIN_VOTE_SHARE = 1 / 2
_MIN_ARTIST_SHARE = 3 / 4
_NOT_VOTING: set[AbstainReason | None] = {"not music", "silence", "too short"}
_UNCERTAIN: set[AbstainReason | None] = {"low confidence", "tie", "unfamiliar"}

Objection: TypeAlias = Literal["compilation", "artists", "votes", "confidence", "majority"]
"""Why an album does not decide, the first of these that applies."""


class AlbumDecision(NamedTuple):
    """Whether an album decides for its uncertain tracks.

    Parameters
    ----------
    album : Prediction
        By `vote_album`.
    objection : str or None
        Why it does not decide: it is a compilation; fewer than three quarters of its tracks are by
        the album artist; fewer than two of its tracks vote; its confidence is below the threshold;
        its genre wins in fewer than half of the tracks that vote.
    taking : list of bool
        Whether each track takes the genre of the album.
    """

    album: Prediction
    objection: Objection | None
    taking: list[bool]


def decide_for_tracks(
    album: Prediction,
    tracks: Sequence[Prediction],
    *,
    artist_share: float,
    is_compilation: bool = False,
    aggregation: Aggregation = "majority",
) -> AlbumDecision:
    """Decide whether the uncertain tracks of an album take its genre.

    Tracks that abstain because they are uncertain do if the album has a genre, is no compilation
    and is by one artist, at least two of its tracks vote, and its genre wins in at least half of
    these.

    Parameters
    ----------
    album : Prediction
        By `vote_album`.
    tracks : sequence of Prediction
        Those of its tracks.
    artist_share : float
        The share of its tracks, 0 to 1, that are by the album artist.
    is_compilation : bool
        Compilations do not decide for their tracks.
    aggregation : "majority" or "mean"
        By which genres win in tracks, see `winning_genre`.

    Examples
    --------
    >>> from dataclasses import replace
    >>> sure = Prediction("jazz", 0.8, None, {"jazz": 9}, {"jazz": 0.8}, 0.0, (), (), "model")
    >>> unsure = replace(sure, genre=None, confidence=0.5, reason="low confidence")
    >>> decide_for_tracks(sure, [sure, unsure], artist_share=1.0).taking
    [False, True]
    >>> decide_for_tracks(sure, [sure, unsure], artist_share=0.5).objection
    'artists'
    """
    voting = [_winner(track, aggregation) for track in tracks if track.reason not in _NOT_VOTING]
    winners = [genre for genre in voting if genre is not None]
    objection: Objection | None = None
    if is_compilation:
        objection = "compilation"
    elif artist_share < _MIN_ARTIST_SHARE:
        objection = "artists"
    elif len(winners) < MIN_VOTERS:
        objection = "votes"
    elif album.genre is None:
        objection = "confidence"
    elif winners.count(album.genre) < _MIN_VOTE_SHARE * len(winners):
        objection = "majority"
    return AlbumDecision(
        album, objection, [objection is None and is_uncertain(track) for track in tracks]
    )


def is_uncertain(track: Prediction) -> bool:
    """Return True if a track takes the genre of an album that decides."""
    return track.reason in _UNCERTAIN


def _winner(track: Prediction, aggregation: Aggregation) -> str | None:
    """Return the genre of a track, or else the one that would win, if it is known."""
    scores = track.probabilities if aggregation == "mean" else track.votes
    return track.genre or max(scores, key=lambda genre: scores[genre], default=None)
