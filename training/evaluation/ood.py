"""Behavior on out-of-distribution input: genres left out of training, and non-music."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from genremodel.evaluation import FOLDS
from genremodel.models.novelty import NONMUSIC_NOVELTY, is_nonmusic
from genremodel.prediction import DecisionParams
from genremodel.voting import vote_with_confidence
from training.evaluation.cross_validation import (
    calibrated_scores,
    out_of_fold,
    predict_tracks,
    recalibrated,
)
from training.fit import Fit, PredictProba, fit_nonmusic
from training.window_table import WindowTable

SelectColumns: TypeAlias = Callable[[NDArray[np.floating[Any]]], NDArray[np.floating[Any]]]


class FitWithNonmusic(Protocol):
    """Fits a model that rejects non-music by the weights of `fit_nonmusic`."""

    def __call__(self, table: WindowTable, nonmusic: NDArray[np.float64] = ...) -> PredictProba:
        """Fit the model; without weights it rejects nothing."""
        ...


def left_out_genres(
    table: WindowTable,
    fit: Fit,
    params: DecisionParams,
    protocols: Mapping[str, NDArray[np.bool_]],
    basis: str,
) -> dict[str, dict[str, Any]]:
    """Leave each genre out of training in turn, and return how often the model then abstains.

    Parameters
    ----------
    table, fit, params
        The model.
    protocols : name -> (rows,)
        The tracks to predict; the others are only fitted on.
    basis
        Name of the protocol that calibrations are fitted on.

    Returns
    -------
    dict
        By protocol: "abstained", the share of tracks of left-out genres; "genres", the same by
        genre; "known_coverage", the coverage of the other tracks, by unseen artists.
    """
    abstained: dict[str, dict[str, float]] = {name: {} for name in protocols}
    coverage: dict[str, list[float]] = {name: [] for name in protocols}
    for genre in np.unique(table.genre).tolist():
        left_out = np.isin(table.genre, genre)
        others, rest = table[~left_out], params.excluding([genre])
        classifier = fit(others)
        runs = {
            name: out_of_fold(others, fit, rest, seed=0, scored=scored[~left_out])
            for name, scored in protocols.items()
        }
        for name, scored in protocols.items():
            if not (left_out & scored).any():
                continue
            known = runs[name][runs[name].all_windows]
            confidence = known.confidence(runs[basis])
            coverage[name].append(float((confidence >= params.min_confidence).mean()))
            unknown = predict_tracks(table[left_out & scored], classifier, rest)
            scores = calibrated_scores(unknown, recalibrated(rest, runs[basis]))
            abstained[name][genre] = round(float(scores.abstained.mean()), 4)
    return {
        name: {
            "known_coverage": round(float(np.mean(coverage[name])), 4),
            "abstained": round(float(np.mean([*shares.values()])), 4),
            "genres": shares,
        }
        for name, shares in abstained.items()
    }


def measure_nonmusic(
    table: WindowTable,
    sounds: Mapping[str, NDArray[np.float32]],
    select: SelectColumns,
    fit: FitWithNonmusic,
    params: DecisionParams,
) -> dict[str, Any]:
    """Return how non-music is rejected, and how much music is.

    Parameters
    ----------
    table, fit, params
        The model.
    sounds : kind -> (windows, values)
        Synthesized non-music. Each kind is predicted by a model fitted on the other kinds.
    select
        Returns the columns that `fit_nonmusic` reads.

    Returns
    -------
    dict
        "kinds": of each, the number of sounds, the share rejected as non-music ("rejected") and the
        share without a genre ("abstained"). "files": the number of files. "false_rejections": the
        share of files, by unseen artists, that are rejected as non-music.
    """
    music = table[np.flatnonzero(np.isfinite(select(table.values)).all(axis=1))]
    kinds = {}
    for kind, unknown in sounds.items():
        known = np.concatenate([some for other, some in sounds.items() if other != kind])
        classifier = fit(table, nonmusic=fit_nonmusic(select(music.values), select(known)))
        found = [classifier(sound[np.newaxis]) for sound in unknown]
        rejected = np.array([one.novelty >= NONMUSIC_NOVELTY for one in found])
        confidence = np.array([vote_with_confidence(*one, params, "majority")[1] for one in found])
        kinds[kind] = {
            "sounds": len(unknown),
            "rejected": round(float(rejected.mean()), 4),
            "abstained": round(float((rejected | (confidence < params.min_confidence)).mean()), 4),
        }
    every = select(np.concatenate([*sounds.values()]))
    files = music.with_role("train", "valid")
    genres, groups, members = files.by_track()
    rejected_files = []
    for _, held_out in GroupKFold(FOLDS).split(genres, genres, groups):
        others = music[~np.isin(music.group, groups[held_out])]
        weights = fit_nonmusic(select(others.values), every)
        rejected_files += [is_nonmusic(weights, select(files.values[members[i]])) for i in held_out]
    return {
        "kinds": kinds,
        "files": len(rejected_files),
        "false_rejections": round(float(np.mean(rejected_files)), 4),
    }
