"""Coverage and accuracy where albums decide for their tracks, on unseen artists.

The data has no albums: all tracks of an artist count as one, if there are at least two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from genremodel.album_decision import decide_for_tracks
from genremodel.column_table import ColumnTable
from genremodel.evaluation import OutOfFold
from genremodel.prediction import DecisionParams, Prediction
from genremodel.voting import vote_album
from training.corpus import Corpus
from training.evaluation.artist_bootstrap import estimates, mean
from training.evaluation.cross_validation import out_of_fold, recalibrated
from training.evaluation.thresholds import (
    THRESHOLDS,
    Outcomes,
    by_threshold,
    coverage_and_accuracy,
)
from training.fit import Fit, PredictProba
from training.methods import Networks
from training.window_table import NOISY, WindowTable

# track: each alone. auto: albums decide for their uncertain tracks. album: for all their tracks.
Scope: TypeAlias = Literal["track", "auto", "album"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_MAX_SEEDS = 3  # more move no figure by more than the width of its interval, and take minutes
_MIN_TRACKS = 2  # of an artist


@dataclass(frozen=True)
class Results(ColumnTable):
    """One row per track.

    artist: (tracks,). track, auto, album: (tracks,) by scope, 1 if the genre is correct, 0 if it is
    wrong, NaN for an abstention. given: (tracks,) the confidence of a track that gets the genre of
    its album under `auto`, NaN for others.
    """

    artist: NDArray[np.str_]
    track: NDArray[np.float64]
    auto: NDArray[np.float64]
    album: NDArray[np.float64]
    given: NDArray[np.float64]

    def outcomes(self, scope: Scope) -> Outcomes:
        """Return the outcomes of a scope."""
        return Outcomes(self.artist, getattr(self, scope))


def measure_albums(
    corpus: Corpus,
    networks: Networks,
    table: WindowTable,
    fit: Fit,
    params: DecisionParams,
    seeds: int,
) -> dict[str, Any]:
    """Return the figures of GTZAN's songs, of Emotify's tracks in the corpus, and of all Emotify.

    table: of the corpus. params: with the thresholds. See `figures`.
    """
    names = [track.name for track in corpus.emotify]
    noisy = corpus.more_outputs(networks)
    return measure_scopes(table, noisy, names, fit, params, min(seeds, _MAX_SEEDS))


def measure_scopes(
    table: WindowTable,
    noisy: WindowTable,
    emotify: Sequence[str],
    fit: Fit,
    params: DecisionParams,
    seeds: int,
) -> dict[str, Any]:
    """Return the same figures from tables, and those of songs "by_threshold" of the confidence.

    noisy: tracks that are predicted, but not fitted on. emotify: names of tracks of both tables.
    Calibrations are fitted on songs by other artists.
    """
    whole = table + noisy.in_role(NOISY)

    def fit_clean(known: WindowTable) -> PredictProba:
        return fit(known[~known.has_role(NOISY)])

    scored = whole.has_name(emotify)
    names = whole[scored].names  # in the order of `OutOfFold.track`
    has_clean_labels = ~np.isin(names, noisy.names)
    runs: dict[str, list[Results]] = {"songs": [], "emotify": [], "all_emotify": []}
    at_thresholds: list[list[Results]] = [[] for _ in THRESHOLDS]
    for seed in range(seeds):
        songs, every = (
            out_of_fold(whole, fit_clean, params, seed=seed, scored=rows)
            for rows in (whole.has_role("song"), scored)
        )
        clean = every[has_clean_labels[every.track]]
        for name, found in (("songs", songs), ("emotify", clean), ("all_emotify", every)):
            runs[name].append(results(found, songs, params))
        for threshold, at_threshold in zip(THRESHOLDS, at_thresholds, strict=True):
            set_by_user = replace(params, min_confidence=threshold, min_album_confidence=threshold)
            at_threshold.append(results(songs, songs, set_by_user))
    return {
        **{name: figures(run) for name, run in runs.items()},
        "by_threshold": {
            scope: by_threshold([[run.outcomes(scope) for run in part] for part in at_thresholds])
            for scope in SCOPES
        },
    }


def results(predictions: OutOfFold, known: OutOfFold, params: DecisionParams) -> Results:
    """Return how tracks are predicted alone and with the help of their albums.

    known: predictions that calibrations are fitted on, those of the same artists aside.
    """
    predictions = predictions[predictions.all_windows]
    parts = []
    for fold in np.unique(predictions.fold):
        held_out = predictions[predictions.fold == fold]
        others = known[~np.isin(known.artist, held_out.artist)]
        fitted = recalibrated(params, others)
        for artist in np.unique(held_out.artist):
            album = held_out[held_out.artist == artist]
            if len(album) >= _MIN_TRACKS:
                parts.append(_album_results(album, fitted))
    return sum(parts[1:], parts[0])


def figures(runs: Sequence[Results]) -> dict[str, Any]:
    """Return the figures of cross-validations of the same tracks, means over them.

    "seeds", "tracks", "artists": their numbers. By scope: "coverage" and "selective_accuracy".
    "given": the number of "tracks" that get the genre of their album under `auto`, their mean
    "confidence" and their "accuracy". "intervals": the 95% confidence intervals of these, by
    bootstrap over artists. None where no track has the figure.
    """
    given = [int(np.isfinite(run.given).sum()) for run in runs]
    return {
        "seeds": len(runs),
        "tracks": len(runs[0]),
        "artists": len(np.unique(runs[0].artist)),
        **{scope: coverage_and_accuracy([run.outcomes(scope) for run in runs]) for scope in SCOPES},
        "given": {
            "tracks": round(float(np.mean(given)), 1),
            **estimates(
                runs,
                confidence=lambda run: mean(run.given),
                accuracy=lambda run: mean(run.auto[np.isfinite(run.given)]),
            ),
        },
    }


def _album_results(album: OutOfFold, params: DecisionParams) -> Results:
    """Return the results of the tracks of one album."""
    tracks = [*_predictions(album, params)]
    joint = vote_album(tracks, params)
    taking = np.array(decide_for_tracks(joint, tracks, artist_share=1.0).taking)
    alone = np.array([track.genre or "" for track in tracks])
    shared = np.full(len(tracks), joint.genre or "")
    truth = np.array(params.genres)[album.genre]

    def outcome(genres: NDArray[np.str_]) -> NDArray[np.float64]:
        return np.where(genres == "", np.nan, genres == truth)

    return Results(
        artist=album.artist,
        track=outcome(alone),
        auto=outcome(np.where(taking, shared, alone)),
        album=outcome(shared if joint.genre else alone),
        given=np.where(taking, joint.confidence or np.nan, np.nan),
    )


def _predictions(album: OutOfFold, params: DecisionParams) -> Iterator[Prediction]:
    confidence = album.calibrated(params.calibration)
    for row in range(len(album)):
        genre = params.genres[album.predicted[row]]
        is_sure = bool(confidence[row] >= params.min_confidence)
        yield Prediction(
            genre=genre if is_sure else None,
            confidence=float(confidence[row]),
            reason=None if is_sure else "low confidence",
            votes={genre: int(album.windows[row])},
            probabilities=dict(zip(params.genres, album.probabilities[row].tolist(), strict=True)),
            novelty=float(album.novelty[row]),
            windows=(),
            styles=(),
            model=params.model,
        )
