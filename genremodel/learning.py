"""Learns genres from tracks that somebody has labelled, and tells how well they are learned.

What the bundled networks say of a track is all that is learned from, so analyses from the cache do.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import StratifiedGroupKFold

from genremodel.analysis import Analysis
from genremodel.backends import bundled_heads
from genremodel.calibration import calibration_error, fit_calibration, parts
from genremodel.constants import ACTIVATIONS, EMBEDDING, EXPERT_START
from genremodel.decision import Calibration, Rules, winner
from genremodel.fitting import balanced, fit_linear, fit_novelty
from genremodel.head import track_views
from genremodel.learned import Estimator, Head, LearnedModel
from genremodel.neighbours import Neighbours
from genremodel.novelty import is_nonmusic

# Chosen with `benchmarks/learning.py`, which tells how they do on fewer and more tracks.
_REGULARISATION = 0.03
_NEIGHBOURS = 10
_FOLDS = 5
# More likely right than wrong: whoever has learned a model has seen how often it is.
_MIN_CONFIDENCE = 0.5
# What Landis and Koch, "The measurement of observer agreement for categorical data", 1977, call
# slight agreement: hardly more than by chance.
_SLIGHT = 0.2
_ALL_IS_MUSIC = np.zeros(EMBEDDING + 1)
_NO_EMBEDDING = np.empty((1, 0))


class Example(NamedTuple):
    """A track to learn from.

    views: (windows, VIEW) of its audible windows, at least one, see `track_views`. is_music: not
    what the bundled model takes for noise or speech. genres: at least one. artist: tracks of one
    artist are never on both sides of a split.
    """

    views: NDArray[np.floating[Any]]
    is_music: bool
    genres: tuple[str, ...]
    artist: str

    @classmethod
    def of(cls, analysis: Analysis, genres: Iterable[str], artist: str) -> Example | None:
        """Return the example that an analysis by the networks makes; None of a silent track."""
        outputs = analysis.outputs[analysis.audible]
        if not len(outputs):
            return None
        is_music = not is_nonmusic(_nonmusic(), outputs[:, ACTIVATIONS:EXPERT_START])
        return cls(track_views(outputs).astype(np.float16), is_music, tuple(genres), artist)


@dataclass(frozen=True)
class GenreFigures:
    """How well tracks of one genre are named by a model that never heard their artist."""

    genre: str
    tracks: int
    artists: int
    precision: float
    recall: float


@dataclass(frozen=True)
class Doubt:
    """A track that is confidently given another genre than its own. index: among the examples."""

    index: int
    genre: str
    confidence: float


@dataclass(frozen=True)
class Lesson:
    """What to expect of a learned model: cross-validation in which no artist is on both sides.

    A track is rightly named when it has the genre, whatever else it has.
    recalls: means over the genres, each counting the same, by the estimators that were tried; the
    best was taken. accuracy: share of all tracks that it names rightly. commonest: the share of the commonest genre, which is what always naming it would score.
    calibration_error: see there. decided: share of the tracks that are sure enough for a genre;
    right: share of those that are rightly named, None if there are none.
    confused: genre, what it was named instead, and how often, most often first.
    doubts: most confident first. warnings: why the model may be of little use.
    """

    tracks: int
    artists: int
    recalls: dict[Estimator, float]
    accuracy: float
    commonest: float
    calibration_error: float
    decided: float
    right: float | None
    genres: tuple[GenreFigures, ...]
    confused: tuple[tuple[str, str, int], ...]
    doubts: tuple[Doubt, ...]
    warnings: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """Return what is kept with the model."""
        return {
            "tracks": self.tracks,
            "artists": self.artists,
            "accuracy": round(self.accuracy, 4),
            "calibration_error": round(self.calibration_error, 4),
        }


class LearningError(ValueError):
    """There is nothing to tell apart; the message says what is missing."""


@dataclass(frozen=True)
class _Tracks:
    """Examples as arrays. genres: (tracks, genres) True where a track has the genre."""

    names: tuple[str, ...]
    views: list[NDArray[np.float64]]
    places: NDArray[np.float64]
    genres: NDArray[np.bool_]
    artist: NDArray[np.str_]

    @classmethod
    def of(cls, examples: Sequence[Example]) -> _Tracks:
        names = tuple(sorted({genre for example in examples for genre in example.genres}))
        views = [example.views.astype(np.float64) for example in examples]
        return cls(
            names,
            views,
            np.stack([track.mean(axis=0) for track in views]),
            np.array([np.isin(names, example.genres) for example in examples]),
            np.array([example.artist for example in examples]),
        )

    def rows(
        self, among: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
        """Return a row for each genre of some tracks: its place, its genre and its weight."""
        track, genre = np.nonzero(self.genres[among])
        track = among[track]
        weight = balanced(genre, self.artist[track], 1 / self.genres[track].sum(axis=1))
        return self.places[track], genre, weight


def _linear(tracks: _Tracks, among: NDArray[np.intp]) -> Head:
    places, genre, weight = tracks.rows(among)
    return fit_linear(places, genre, weight, len(tracks.names), _REGULARISATION)


def _neighbours(tracks: _Tracks, among: NDArray[np.intp]) -> Head:
    places, genre, _ = tracks.rows(among)
    return Neighbours(places, genre, len(tracks.names), _NEIGHBOURS)


_Fit: TypeAlias = Callable[[_Tracks, NDArray[np.intp]], Head]
_ESTIMATORS: dict[Estimator, _Fit] = {
    "linear": _linear,
    "neighbours": _neighbours,
}


def learn(
    examples: Sequence[Example], *, name: str, field: str, version: str
) -> tuple[LearnedModel, Lesson]:
    """Fit a model on examples, and say what to expect of it.

    name: of the model. field: where the genres are from. version: of what made the analyses.
    What the bundled model takes for no music is told by this one as well, unless it is a genre.
    Raises LearningError where there are not two genres, and two artists.
    """
    tracks = _Tracks.of(examples)
    if len(tracks.names) < 2:
        raise LearningError("there are not two genres to tell apart")
    if len(np.unique(tracks.artist)) < 2:
        raise LearningError("all tracks are by one artist")
    shares = tracks.genres.mean(axis=0)
    prior = tuple((shares / shares.sum()).round(4).tolist())
    trials = _try(tracks, prior)
    recalls = {name: _mean_recall(tracks, trial) for name, trial in trials.items()}
    best = max(trials, key=lambda name: recalls[name])
    everything = np.arange(len(examples))
    is_music = np.array([example.is_music for example in examples])
    silenced = any(not is_music[members].any() for members in tracks.genres.T)
    lesson = _lesson(tracks, trials[best], recalls)
    model = LearnedModel(
        name,
        field,
        version,
        Rules(tracks.names, prior, trials[best].calibration(), _MIN_CONFIDENCE, model=""),
        best,
        _ESTIMATORS[best](tracks, everything),
        fit_novelty(*_first_genres(tracks, everything), _ALL_IS_MUSIC if silenced else _nonmusic()),
        lesson.summary(),
        learned=time.time(),
    )
    return model, lesson


@lru_cache(maxsize=1)
def _nonmusic() -> NDArray[np.float64]:
    return bundled_heads().novelty.nonmusic


def _first_genres(
    tracks: _Tracks, among: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    return tracks.places[among, :ACTIVATIONS], tracks.genres[among].argmax(axis=1)


@dataclass(frozen=True)
class _Trial:
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

    def among(self, chosen: NDArray[np.bool_]) -> _Trial:
        """Return some of the votes."""
        return _Trial(*(column[chosen] for column in vars(self).values()))

    def calibration(self) -> Calibration:
        """Return how likely such votes are right."""
        typical = float(np.median(self.novelty[self.whole]))
        return fit_calibration(self.probability, self.novelty, self.windows, self.right, typical)

    def confidence(self) -> NDArray[np.float64]:
        """Return how likely each vote is right, by the votes in other folds."""
        confidence = np.zeros(len(self.track))
        for fold in np.unique(self.fold):
            here = self.fold == fold
            votes, calibration = self.among(here), self.among(~here).calibration()
            confidence[here] = calibration.confidence(
                votes.probability, votes.novelty, votes.windows
            )
        return confidence


def _try(tracks: _Tracks, prior: tuple[float, ...]) -> dict[Estimator, _Trial]:
    """Cross-validate each way to fit; votes are in the order of the tracks."""
    votes: dict[Estimator, list[tuple[Any, ...]]] = {estimator: [] for estimator in _ESTIMATORS}
    for fold, (others, held_out) in enumerate(_splits(tracks)):
        novelty = fit_novelty(*_first_genres(tracks, others), _ALL_IS_MUSIC)
        views = [tracks.views[track] for track in held_out]
        rows, ends = np.concatenate(views), np.cumsum([len(windows) for windows in views])
        divided = [[*parts(np.arange(len(windows)))] for windows in views]
        far = [
            [novelty.score(windows[part, :ACTIVATIONS], _NO_EMBEDDING) for part in some]
            for windows, some in zip(views, divided, strict=True)
        ]
        for estimator, fit in _ESTIMATORS.items():
            said = np.split(fit(tracks, others).predict_proba(rows), ends[:-1])
            for i, track in enumerate(held_out):
                for part, distance in zip(divided[i], far[i], strict=True):
                    named = winner(said[i][part], prior, "majority")
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
        estimator: _Trial(*map(np.array, zip(*sorted(rows), strict=True)))
        for estimator, rows in votes.items()
    }


def _splits(tracks: _Tracks) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return folds of which none hears an artist of another, stratified by genre."""
    count = min(_FOLDS, len(np.unique(tracks.artist)))
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a genre with fewer tracks than folds
        return [*folds.split(tracks.places, tracks.genres.argmax(axis=1), tracks.artist)]


def _mean_recall(tracks: _Tracks, trial: _Trial) -> float:
    named = trial.named[trial.whole]
    recalls = [(named[having] == index).mean() for index, having in enumerate(tracks.genres.T)]
    return float(np.mean(recalls))


def _lesson(tracks: _Tracks, trial: _Trial, recalls: dict[Estimator, float]) -> Lesson:
    confidence, wholes = trial.confidence()[trial.whole], trial.among(trial.whole)
    named, right = wholes.named, wholes.right
    decided = confidence >= _MIN_CONFIDENCE
    true = np.where(right, named, tracks.genres.argmax(axis=1))
    wrong = Counter(zip(true[~right].tolist(), named[~right].tolist(), strict=True))
    doubted = np.flatnonzero(~right & decided)
    artists = len(np.unique(tracks.artist))
    return Lesson(
        tracks=len(named),
        artists=artists,
        recalls=recalls,
        accuracy=float(right.mean()),
        commonest=float(tracks.genres.mean(axis=0).max()),
        calibration_error=calibration_error(confidence, right),
        decided=float(decided.mean()),
        right=float(right[decided].mean()) if decided.any() else None,
        genres=tuple(_figures(tracks, named, index) for index in range(len(tracks.names))),
        confused=tuple(
            (tracks.names[genre], tracks.names[other], count)
            for (genre, other), count in wrong.most_common()
        ),
        doubts=tuple(
            Doubt(int(track), tracks.names[named[track]], float(confidence[track]))
            for track in doubted[np.argsort(-confidence[doubted], kind="stable")]
        ),
        warnings=tuple(_warnings(artists, true, named)),
    )


def _warnings(artists: int, true: NDArray[np.intp], named: NDArray[np.intp]) -> Iterator[str]:
    if artists < _FOLDS:
        yield f"with {artists} artists nothing can be said of how it does on others"
    one = len(np.unique([true, named])) == 1
    if one or cohen_kappa_score(true, named) < _SLIGHT:
        yield "on artists that it has not heard it is hardly better than chance"


def _figures(tracks: _Tracks, named: NDArray[np.intp], index: int) -> GenreFigures:
    members, chosen = tracks.genres[:, index], named == index
    return GenreFigures(
        tracks.names[index],
        tracks=int(members.sum()),
        artists=len(np.unique(tracks.artist[members])),
        precision=float(members[chosen].mean()) if chosen.any() else 0.0,
        recall=float(chosen[members].mean()),
    )
