"""What a model makes of what it does not know: genres left out of training, and no music at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from genremodel.models.novelty import NONMUSIC_NOVELTY, is_nonmusic
from genremodel.prediction import DecisionParams
from genremodel.voting import vote_with_confidence
from training.evaluation.calibration import FOLDS, judged, out_of_fold, recalibrated, whole
from training.evaluation.metrics import score, score_unheard
from training.fit import Fit, WindowClassifier, fit_nonmusic
from training.tables import Rows

# Returns the columns of values that tell music from other sounds.
Part: TypeAlias = Callable[[NDArray[np.floating[Any]]], NDArray[np.floating[Any]]]


class FitStrict(Protocol):
    """Fits a model that takes what the weights tell, see `fit_nonmusic`, for no music."""

    def __call__(self, rows: Rows, nonmusic: NDArray[np.float64] = ...) -> WindowClassifier:
        """Fit it; without weights all is music."""
        ...


def unheard_genres(
    rows: Rows,
    fit: Fit,
    rules: DecisionParams,
    protocols: Mapping[str, NDArray[np.bool_]],
    basis: str,
) -> dict[str, dict[str, Any]]:
    """Return how many tracks of a genre left out of training abstain, and how many others decide.

    protocols: (rows,) the tracks to ask about, by name; others only help to fit. basis: the name of
    those that calibrations are fitted on. Each genre is left out in turn, and artists as well.
    """
    abstained: dict[str, dict[str, float]] = {name: {} for name in protocols}
    decided: dict[str, list[float]] = {name: [] for name in protocols}
    for genre in np.unique(rows.genre).tolist():
        left_out = np.isin(rows.genre, genre)
        others, rest, judge = rows[~left_out], rules.excluding([genre]), fit(rows[~left_out])
        said = {
            name: out_of_fold(others, fit, seed=0, scored=scored[~left_out])
            for name, scored in protocols.items()
        }
        for name, scored in protocols.items():
            if not (left_out & scored).any():
                continue
            known = score_unheard(whole(said[name]), said[basis], rest)
            decided[name].append(float(known.decided.mean()))
            unheard = judged(rows[left_out & scored], judge)
            told = score(unheard, recalibrated(rest, said[basis]))
            abstained[name][genre] = round(float(1 - told.decided.mean()), 4)
    return {
        name: {
            "known_decided": round(float(np.mean(decided[name])), 4),
            "abstained": round(float(np.mean([*shares.values()])), 4),
            "genres": shares,
        }
        for name, shares in abstained.items()
    }


def measure_nonmusic(
    rows: Rows,
    sounds: Mapping[str, NDArray[np.float32]],
    part: Part,
    fit: FitStrict,
    rules: DecisionParams,
) -> dict[str, Any]:
    """Return what becomes of sounds of a kind never heard, and of files by artists never heard.

    sounds: (windows, columns) of each kind, as rows have them. part: returns the columns that tell
    them from music. kinds: of each, the share that is taken for no music (told), and that has no
    genre.
    mistaken: the share of files that is taken for no music.
    """
    music = rows[np.flatnonzero(np.isfinite(part(rows.values)).all(axis=1))]
    kinds = {}
    for kind, unheard in sounds.items():
        heard = np.concatenate([some for other, some in sounds.items() if other != kind])
        judge = fit(rows, nonmusic=fit_nonmusic(part(music.values), part(heard)))
        judgements = [judge(sound[np.newaxis]) for sound in unheard]
        told = np.array([judgement.novelty >= NONMUSIC_NOVELTY for judgement in judgements])
        sure = np.array(
            [vote_with_confidence(*judgement, rules, "majority")[1] for judgement in judgements]
        )
        kinds[kind] = {
            "sounds": len(unheard),
            "told": round(float(told.mean()), 4),
            "abstained": round(float((told | (sure < rules.min_confidence)).mean()), 4),
        }
    every = part(np.concatenate([*sounds.values()]))
    files = music.of("train", "valid")
    genres, groups, members = files.by_track()
    mistaken = []
    for _, held_out in GroupKFold(FOLDS).split(genres, genres, groups):
        others = music[~np.isin(music.group, groups[held_out])]
        weights = fit_nonmusic(part(others.values), every)
        mistaken += [is_nonmusic(weights, part(files.values[members[i]])) for i in held_out]
    return {
        "kinds": kinds,
        "files": len(mistaken),
        "mistaken": round(float(np.mean(mistaken)), 4),
    }
