"""How predictions change where the analysis stops after the first windows (`windows: auto`).

Songs and files are predicted by models that were not fitted on their artists. Assembled tracks and
non-music are predicted by the bundled model, which was: their figures describe its behavior.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel import GenreClassifier
from genremodel.audio.decoding import AudioSource
from genremodel.audio.params import SAMPLE_RATE
from genremodel.audio.places import DEFAULT_WINDOWS, FIRST_WINDOWS
from genremodel.calibration import expected_calibration_error
from genremodel.column_table import ColumnTable
from genremodel.early_stop import MIN_CONFIDENCE, EarlyStop
from genremodel.evaluation import OutOfFold
from genremodel.models import bundled
from genremodel.models.base import WindowProbabilities
from genremodel.models.musicnn import CnnBackend
from genremodel.prediction import DecisionParams
from genremodel.voting import vote_counts
from training.corpus import Corpus
from training.evaluation import similar_tracks
from training.evaluation.cross_validation import out_of_fold
from training.evaluation.long_tracks import ROWS, Row, Sound, Sounds, read_sounds
from training.fit import Fit, PredictProba, fit_head_classifier
from training.methods import Networks
from training.window_table import Role, WindowTable

STOPPED = 300  # assembled tracks on which the analysis stops
_THRESHOLDS = tuple(np.arange(0.5, 1, 0.05).round(2).tolist())
_MIN_SAME = 0.98  # of the songs that stop, those with the genre or abstention of ten windows
_SECONDS = (180.0, 360.0)  # length of an assembled track
_SHARES = (0.5, 0.9)  # of the genre that most of it has
_MAX_PIECES = 3
_NONMUSIC = ("speech alone", "noise alone", "applause alone")  # of `ROWS`
_NONMUSIC_TRACKS = 30  # of each
_ROLES: dict[str, tuple[Role, ...]] = {"songs": ("song",), "files": ("train", "valid")}


@dataclass(frozen=True)
class BothWays(ColumnTable):
    """Tracks with ten windows, predicted by the first three and by all of them. One row each.

    fold: (tracks,) in which the artist was held out. unanimous: (tracks,) True if the first windows
    predict one genre. genre, confidence, correct: (tracks, 2) of both predictions, that by the
    first windows before that by all.
    """

    fold: NDArray[np.intp]
    unanimous: NDArray[np.bool_]
    genre: NDArray[np.intp]
    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]

    def stops(self, threshold: float) -> NDArray[np.bool_]:
        """Return True for tracks whose first windows are enough, (tracks,)."""
        return self.unanimous & (self.confidence[:, 0] >= threshold)

    def is_same(self, min_confidence: float) -> NDArray[np.bool_]:
        """Return True where both predictions are the same genre, or one abstention, (tracks,)."""
        given = np.where(self.confidence >= min_confidence, self.genre, -1)
        same: NDArray[np.bool_] = given[:, 0] == given[:, 1]
        return same

    def threshold(self, min_confidence: float) -> float:
        """Return the lowest threshold with which enough of the tracks that stop are the same."""
        same = self.is_same(min_confidence)
        return next(
            (each for each in _THRESHOLDS if same[self.stops(each)].mean() >= _MIN_SAME),
            _THRESHOLDS[-1],
        )

    def held_out_stops(self, min_confidence: float) -> NDArray[np.bool_]:
        """Return `stops` by thresholds that were chosen on the tracks of other folds."""
        stops = np.zeros(len(self), np.bool_)
        for fold in np.unique(self.fold):
            here = self.fold == fold
            stops[here] = self[here].stops(self[~here].threshold(min_confidence))
        return stops

    def figures(self, stops: NDArray[np.bool_], min_confidence: float) -> list[float]:
        """Return the share that stops and the share of these that is the same.

        Then accuracy, calibration error and coverage, each by ten windows and with the stop.
        """
        used = np.where(stops, 0, 1)
        figures = [[stops.mean(), self.is_same(min_confidence)[stops].mean()]]
        for chosen in (np.ones_like(used), used):
            rows = np.arange(len(self))
            correct, confidence = self.correct[rows, chosen], self.confidence[rows, chosen]
            error = expected_calibration_error(confidence, correct)
            figures.append([correct.mean(), error, (confidence >= min_confidence).mean()])
        return [float(figure) for part in figures for figure in part]


def predict_both_ways(
    predictions: OutOfFold, unanimous: NDArray[np.bool_], known: OutOfFold
) -> BothWays:
    """Return the predictions of the tracks that have ten windows.

    unanimous: (predictions,) True if the windows predict one genre. known: predictions that
    calibrations are fitted on, those of the same artists aside.
    """
    confidence = predictions.confidence(known)
    by_all = np.flatnonzero(predictions.windows == DEFAULT_WINDOWS)
    by_first = np.flatnonzero(predictions.windows == FIRST_WINDOWS)
    by_first = by_first[np.isin(predictions.track[by_first], predictions.track[by_all])]
    assert (predictions.track[by_first] == predictions.track[by_all]).all()
    both = np.stack([by_first, by_all], axis=1)
    return BothWays(
        predictions.fold[by_all],
        unanimous[by_first],
        predictions.predicted[both],
        confidence[both],
        predictions.correct[both],
    )


def out_of_fold_with_votes(
    table: WindowTable, fit: Fit, params: DecisionParams, seed: int, scored: NDArray[np.bool_]
) -> tuple[OutOfFold, NDArray[np.bool_]]:
    """Return `out_of_fold`, and whether the windows of each prediction predict one genre."""
    unanimous: list[bool] = []

    def recording(known: WindowTable) -> PredictProba:
        classify = fit(known)

        def predict(values: NDArray[np.floating[Any]]) -> WindowProbabilities:
            found = classify(values)
            unanimous.append(bool(vote_counts(found.probabilities).max() == len(values)))
            return found

        return predict

    predictions = out_of_fold(table, recording, params, seed=seed, scored=scored)
    return predictions, np.array(unanimous)


def assembled(sounds: Sounds) -> Sound:
    """Return music with 50 to 90% of one genre, in pieces between those of others."""
    rng = sounds.rng
    seconds, share = rng.uniform(*_SECONDS), rng.uniform(*_SHARES)
    most, *others = sounds.genres(int(rng.integers(2, _MAX_PIECES + 2)))
    music = sounds.music(most, seconds * share)
    cuts = rng.uniform(0, len(music), rng.integers(_MAX_PIECES)).astype(int)
    parts = np.split(music, np.sort(cuts))
    lengths = rng.dirichlet(np.ones(len(others))) * seconds * (1 - share)
    parts += [sounds.music(*part) for part in zip(others, lengths, strict=True)]
    return np.concatenate([parts[index] for index in rng.permutation(len(parts))])


@dataclass
class Counts:
    """Numbers of tracks: all, those that stop, and those of these that are the same."""

    tracks: int = 0
    stopped: int = 0
    same: int = 0


def count_stops(sources: Iterable[AudioSource], *, enough: int | None = None) -> Counts:
    """Return how the bundled model predicts tracks both ways.

    enough: the number of tracks that stop, after which no more tracks are taken.
    """
    classifier, cnn = GenreClassifier(), CnnBackend()
    stop = EarlyStop(cnn, cnn.params)
    counts = Counts()
    for source in sources:
        analysis = classifier.analyze(source)
        first = analysis.wanted(DEFAULT_WINDOWS, stop) or analysis
        counts.tracks += 1
        if len(first.starts) < len(analysis.starts):
            ways = [classifier.predict(each) for each in (first, analysis)]
            counts.stopped += 1
            counts.same += ways[0].genre == ways[1].genre
        if counts.stopped == enough:
            break
    return counts


def measure(corpus: Corpus, seeds: int) -> dict[str, Any]:
    """Return all figures. Raises DataError."""
    return {
        "seeds": seeds,
        "min_same": _MIN_SAME,
        **_artists(corpus, seeds),
        **_sounds(corpus),
        "similar": similar_tracks.measure(_outputs(corpus).with_role(*_ROLES["files"])),
    }


def _outputs(corpus: Corpus) -> WindowTable:
    return corpus.outputs(Networks.in_folder(bundled.FOLDER))


def _artists(corpus: Corpus, seeds: int) -> dict[str, Any]:
    """Return the means of cross-validations."""
    windows, params = _outputs(corpus), CnnBackend().params
    threshold = params.min_confidence
    rows: dict[str, list[list[float]]] = {name: [] for name in _ROLES}
    tracks, chosen, held_out = {}, [], []
    for seed in range(seeds):
        runs = {
            name: out_of_fold_with_votes(
                windows, fit_head_classifier, params, seed, windows.has_role(*roles)
            )
            for name, roles in _ROLES.items()
        }
        known, _ = runs["songs"]
        for name, run in runs.items():
            ways = predict_both_ways(*run, known)
            tracks[name] = len(ways)
            rows[name].append(ways.figures(ways.stops(MIN_CONFIDENCE), threshold))
            if name == "songs":
                chosen.append(ways.threshold(threshold))
                _, same, *_ = ways.figures(ways.held_out_stops(threshold), threshold)
                held_out.append(same)
    return {
        "artists": [
            {"tracks": name, "n": tracks[name], "figures": np.mean(values, axis=0).tolist()}
            for name, values in rows.items()
        ],
        "chosen": chosen.count(MIN_CONFIDENCE),
        "held_out_same": float(np.mean(held_out)),
    }


def _sounds(corpus: Corpus) -> dict[str, Counts]:
    classifier = GenreClassifier()
    songs, speech = read_sounds(corpus, classifier)

    def made(assemble: Callable[[Sounds], Sound]) -> Iterator[AudioSource]:
        sounds = Sounds(songs, speech, np.random.default_rng(0))
        while True:
            yield assemble(sounds), SAMPLE_RATE

    def whole(row: Row) -> Callable[[Sounds], Sound]:
        return lambda sounds: row.assemble(sounds).samples

    nonmusic = (islice(made(whole(ROWS[name])), _NONMUSIC_TRACKS) for name in _NONMUSIC)
    return {
        "assembled": count_stops(made(assembled), enough=STOPPED),
        "recordings": count_stops(track.path for track in corpus.recordings),
        "minutes": count_stops(chain.from_iterable(nonmusic)),
    }
