"""The types of predictions, and the parameters of a model that turn probabilities into them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from genremodel.calibration import Calibration

AbstainReason: TypeAlias = Literal[
    "low confidence", "tie", "unfamiliar", "not music", "silence", "too short"
]
ABSTAINED = "abstained"  # the key of `Prediction.votes` that counts the abstentions of an album


@dataclass(frozen=True)
class WindowPrediction:
    """The vote of one window.

    Parameters
    ----------
    start : float
        Seconds from the start of the track.
    genre : str or None
        The most probable genre; None for a silent window, which does not vote.
    probability : float or None
        The probability of that genre.

    Examples
    --------
    >>> WindowPrediction(start=12.5, genre="jazz", probability=0.8).genre
    'jazz'
    """

    start: float
    genre: str | None
    probability: float | None


@dataclass(frozen=True)
class Prediction:
    """The predicted genre of a track or an album, or the reason for abstaining.

    Parameters
    ----------
    genre : str or None
        None if the model abstains.
    confidence : float or None
        Calibrated probability that the genre with most votes is right. None without a vote, or if
        it is not finite.
    reason : AbstainReason or None
        Why the model abstains: the confidence is too low (`low confidence`, or `tie` if several
        genres have as many votes), because the music is unlike the training data (`unfamiliar`);
        the track is not music (`not music`), digital silence (`silence`), or shorter than a second
        (`too short`).
    votes : dict
        The number of windows by genre, or of tracks in the case of an album, in descending order.
        For an album, the last key is `ABSTAINED` if there are abstentions.
    probabilities : dict
        The mean probability of each genre over windows or tracks. Empty without a vote.
    novelty : float or None
        Logarithm of the distance to the training data. None for an album and without a vote.
    windows : tuple of WindowPrediction
        In order of time. Empty for an album.
    styles : tuple of str
        Those that fit the genre, see `genremodel.styles`. Empty without a genre.
    model : str
        The id of the model.
    detected_styles : tuple of str
        All styles of a track, whether or not they fit the genre. Empty for an album.

    Examples
    --------
    >>> prediction = Prediction(
    ...     "jazz", 0.93, None, {"jazz": 9, "blues": 1}, {"jazz": 0.8, "blues": 0.2},
    ...     1.2, (), ("soul",), "bundled-cnn-4"
    ... )
    >>> prediction.genre, prediction.confidence
    ('jazz', 0.93)
    """

    genre: str | None
    confidence: float | None
    reason: AbstainReason | None
    votes: dict[str, int]
    probabilities: dict[str, float]
    novelty: float | None
    windows: tuple[WindowPrediction, ...]
    styles: tuple[str, ...]
    model: str
    detected_styles: tuple[str, ...] = ()


@dataclass(frozen=True)
class DecisionParams:
    """How the window probabilities of a model become a prediction.

    Parameters
    ----------
    genres : tuple of str
        In the order of the probabilities.
    prior : tuple of float
        The share of each genre in the training tracks; breaks ties.
    calibration : Calibration
        From mean probabilities to confidence.
    min_confidence : float
        The model abstains below it.
    model : str
        The id of the model.
    min_album_confidence : float, optional
        The same threshold for an album with several voting tracks. `min_confidence` by default.

    Examples
    --------
    >>> calibration = Calibration(0.0, 1.0, 0.0, 0.0, median_novelty=0.0)
    >>> params = DecisionParams(("blues", "jazz"), (0.4, 0.6), calibration, 0.7, "model")
    >>> params.excluding(["Blues"]).genres
    ('jazz',)
    """

    genres: tuple[str, ...]
    prior: tuple[float, ...]
    calibration: Calibration
    min_confidence: float
    model: str
    min_album_confidence: float | None = None

    def excluding(self, genres: Collection[str]) -> DecisionParams:
        """Return the parameters for the other genres. Upper and lower case do not matter."""
        excluded = {genre.casefold() for genre in genres}
        shares = dict(zip(self.genres, self.prior, strict=True))
        kept = {genre: share for genre, share in shares.items() if genre.casefold() not in excluded}
        return replace(self, genres=tuple(kept), prior=tuple(kept.values()))
