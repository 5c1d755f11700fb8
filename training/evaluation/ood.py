"""Behavior on genres that are left out of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.prediction import DecisionParams
from training.evaluation.cross_validation import (
    calibrated_scores,
    out_of_fold,
    predict_tracks,
    recalibrated,
)
from training.fit import Fit
from training.window_table import WindowTable


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
    for genre in table.genres.tolist():
        left_out = table.has_genre(genre)
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
