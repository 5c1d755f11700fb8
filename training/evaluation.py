"""How good a recipe is: on artists that it never heard, and on genres that it never heard."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from genremodel.backbone import evenly
from genremodel.backends import Cnn, Knn
from genremodel.constants import DEFAULT_WINDOWS
from genremodel.decision import Rules
from genremodel.head import Judgement
from genremodel.novelty import is_nonmusic
from training.calibration import FOLDS, Verdict, calibrate, out_of_fold
from training.collection import Collection
from training.datasets import gtzan_taggrams
from training.fitting import Fit, Judge, fit_nonmusic, judge_by_heads, judge_by_neighbours
from training.rows import Rows
from training.scoring import Figures, Scores, details, intervals, score


def evaluate(collection: Collection, seeds: int) -> dict[str, Any]:
    """Measure the recipes of both bundled models."""
    cnn, knn = Cnn(), Knn()
    outputs, features = collection.outputs(cnn.backbones), collection.features(knn.groups)
    return {
        cnn.rules.model: measure(outputs, judge_by_heads, cnn.rules, seeds),
        knn.rules.model: measure(
            features, lambda rows: judge_by_neighbours(rows, knn.neighbours), knn.rules, seeds
        ),
    }


def evaluate_activations(path: Path) -> dict[str, Any]:
    """Score the bundled genre head on stored backbone outputs. Raises DataError."""
    cnn = Cnn()
    return Figures.of(score(_verdicts(gtzan_taggrams.read(path), cnn.judge), cnn.rules)).rounded()


def measure(rows: Rows, fit: Fit, rules: Rules, seeds: int) -> dict[str, Any]:
    """Return all figures of a recipe.

    songs, files: by cross-validation grouped by artist, the means over seeds; of the first,
    `details`. valid: the validation files by a fit without them. unheard_genres: each of the genres
    left out of training in turn.
    """
    basis, files = calibrating(rows), rows.are("train", "valid")
    known = [out_of_fold(rows, fit, seed=seed, scored=basis) for seed in range(seeds)]
    figures: dict[str, Any] = {}
    if len(rows.of("song")):
        figures["songs"] = _summary([_scores(run, run, rules) for run in known], rules.genres)
        figures["unheard_genres"] = _unheard_genres(rows, fit, rules)
        runs = [out_of_fold(rows, fit, seed=seed, scored=files) for seed in range(seeds)]
    else:
        runs = known
    pairs = zip(runs, known, strict=True)
    figures["files"] = _summary(
        [_scores(run, others, rules) for run, others in pairs], rules.genres
    )
    valid = validate(rows, fit, rules)
    figures["valid"] = {**Figures.of(valid).rounded(), "intervals": intervals([valid])}
    return figures


def measure_nonmusic(
    music: Rows, values: NDArray[np.float32], sounds: NDArray[np.float32]
) -> dict[str, Any]:
    """Return how much is taken for no music: of other sounds, and of files by unheard artists.

    values: of the rows of music, and sounds: as `fit_nonmusic` has them.
    """
    files = music.are("train", "valid")
    genres, groups, members = music[files].by_track()
    sound = np.arange(len(sounds)) % FOLDS
    found, mistaken = [], []
    for fold, (_, held_out) in enumerate(GroupKFold(FOLDS).split(genres, genres, groups)):
        others = ~np.isin(music.group, groups[held_out])
        weights = fit_nonmusic(values[others], sounds[sound != fold])
        found += [is_nonmusic(weights, one[np.newaxis]) for one in sounds[sound == fold]]
        mistaken += [is_nonmusic(weights, values[files][members[track]]) for track in held_out]
    return {
        "sounds": len(found),
        "told": round(float(np.mean(found)), 4),
        "files": len(mistaken),
        "mistaken": round(float(np.mean(mistaken)), 4),
    }


def calibrating(rows: Rows) -> NDArray[np.bool_]:
    """Return which rows a calibration is fitted on: whole songs, or files where there are none."""
    songs = rows.are("song")
    return songs if songs.any() else rows.are("train", "valid")


def calibrated(rules: Rules, rows: Rows, fit: Fit) -> Rules:
    """Return the rules with the calibration that fits what is said across artists."""
    return _calibrated(rules, out_of_fold(rows, fit, seed=0, scored=calibrating(rows)))


def accuracy(rows: Rows, fit: Fit, rules: Rules, seed: int) -> float:
    """Return the accuracy on files in one cross-validation grouped by artist."""
    verdicts = out_of_fold(rows, fit, seed=seed, scored=rows.are("train", "valid"))
    return float(score(verdicts, rules).right.mean())


def validate(rows: Rows, fit: Fit, rules: Rules) -> Scores:
    """Score the validation files by a fit and a calibration without them."""
    valid = rows.of("valid")
    others = rows[~np.isin(rows.group, valid.group)]
    return score(_verdicts(valid, fit(others)), calibrated(rules, others, fit))


def _scores(verdicts: list[Verdict], known: list[Verdict], rules: Rules) -> Scores:
    """Score verdicts by calibrations that are fitted on known ones, but for the same artists'."""
    parts = []
    for fold in sorted({v.fold for v in verdicts}):
        own = [v for v in verdicts if v.fold == fold]
        artists = {v.group for v in own}
        parts.append(score(own, _calibrated(rules, [v for v in known if v.group not in artists])))
    return sum(parts[1:], parts[0])


def _summary(runs: list[Scores], genres: tuple[str, ...]) -> dict[str, Any]:
    """Return the means of the runs' figures, their intervals, and details of the first."""
    figures = [asdict(Figures.of(run)) for run in runs]
    means = {name: _mean([run[name] for run in figures]) for name in figures[0]}
    means["tracks"] = len(runs[0].true)
    return {
        **means,
        "seeds": len(runs),
        "intervals": intervals(runs),
        **details(runs[0], genres),
    }


def _unheard_genres(rows: Rows, fit: Fit, rules: Rules) -> dict[str, Any]:
    """Return how many songs of a genre left out of training abstain, and how many others decide."""
    abstained: dict[str, float] = {}
    decided = []
    for genre in np.unique(rows.of("song").genre).tolist():
        known = rows[rows.genre != genre]
        rest = rules.without([genre])
        verdicts = out_of_fold(known, fit, seed=0, scored=known.are("song"))
        decided.append(_scores(verdicts, verdicts, rest).decided.mean())
        unheard = _verdicts(rows[(rows.genre == genre) & rows.are("song")], fit(known))
        told = score(unheard, _calibrated(rest, verdicts))
        abstained[genre] = round(float(1 - told.decided.mean()), 4)
    return {
        "known_decided": round(float(np.mean(decided)), 4),
        "abstained": round(float(np.mean([*abstained.values()])), 4),
        "genres": abstained,
    }


def _calibrated(rules: Rules, verdicts: list[Verdict]) -> Rules:
    return replace(rules, calibration=calibrate(verdicts, rules.genres, rules.prior))


def _verdicts(rows: Rows, judge: Judge) -> list[Verdict]:
    genres, groups, members = rows.by_track()
    judgements: list[Judgement] = [
        judge(rows.values[evenly(track, DEFAULT_WINDOWS)]) for track in members
    ]
    return [
        Verdict(str(genre), str(group), 0, True, judgement)
        for genre, group, judgement in zip(genres, groups, judgements, strict=True)
    ]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None
