"""Learns genres from tracks that somebody has labelled, and tells how well they are learned.

What the bundled networks say of a track is all that is learned from, so analyses from the cache do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genremodel.custom.dataset import LabeledDataset, LabeledTrack, bundled_nonmusic
from genremodel.custom.report import MIN_CONFIDENCE, TrainingReport, balanced_accuracy, summarize
from genremodel.custom.store import CustomModel, Estimator, Head
from genremodel.evaluation import Fit, TrainingError, cross_validate, novelty_of
from genremodel.models.heads import fit_linear_head
from genremodel.models.knn import KnnClassifier
from genremodel.models.novelty import NO_NONMUSIC_DETECTION
from genremodel.prediction import DecisionParams

# Chosen with `benchmarks/learning.py`, which tells how they do on fewer and more tracks.
_REGULARISATION = 0.01
_NEIGHBOURS = 10


def learn(
    examples: Sequence[LabeledTrack], *, name: str, field: str, version: str
) -> tuple[CustomModel, TrainingReport]:
    """Fit a model on examples, and say what to expect of it.

    name: of the model. field: where the genres are from. version: of what made the analyses.
    What the bundled model takes for no music is told by this one as well, unless that would
    silence most tracks of a genre.
    Raises LearningError where there are not two genres, by artists enough to compare.
    """
    tracks = LabeledDataset.of(examples)
    if len(tracks.names) < 2:
        raise TrainingError("there are not two genres to tell apart")
    if len(np.unique(tracks.artist)) < 2:
        raise TrainingError("all tracks are by one artist")
    shares = tracks.genres.mean(axis=0)
    prior = tuple((shares / shares.sum()).round(4).tolist())
    try:
        trials = cross_validate(tracks, ESTIMATORS, prior)
    except np.linalg.LinAlgError as exc:
        raise TrainingError("the tracks of a genre are all the same") from exc
    recalls = {way: balanced_accuracy(tracks, trial) for way, trial in trials.items()}
    best = max(trials, key=lambda way: recalls[way])
    everything = np.arange(len(examples))
    silenced = any(tracks.is_music[members].mean() < 0.5 for members in tracks.genres.T)
    lesson = summarize(tracks, trials[best], recalls, tracks.is_music | silenced)
    model = CustomModel(
        name,
        field,
        version,
        DecisionParams(tracks.names, prior, trials[best].calibration(), MIN_CONFIDENCE, model=""),
        best,
        ESTIMATORS[best](tracks, everything),
        novelty_of(tracks, everything, NO_NONMUSIC_DETECTION if silenced else bundled_nonmusic()),
        lesson.summary(),
        learned=time.time(),
    )
    return model, lesson


def _linear(tracks: LabeledDataset, among: NDArray[np.intp]) -> Head:
    places, genre, weight = tracks.rows(among)
    return fit_linear_head(places, genre, weight, len(tracks.names), _REGULARISATION)


def _neighbours(tracks: LabeledDataset, among: NDArray[np.intp]) -> Head:
    places, genre, _ = tracks.rows(among)
    return KnnClassifier(places, genre, len(tracks.names), _NEIGHBOURS)


ESTIMATORS: dict[Estimator, Fit] = {
    "linear": _linear,
    "neighbours": _neighbours,
}
