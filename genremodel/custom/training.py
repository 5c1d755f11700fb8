"""Train a custom model on labeled tracks.

Training reads the outputs of the bundled networks only, so cached analyses are enough.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from genremodel.custom.custom_model import CustomModel, Estimator, label_word
from genremodel.custom.dataset import LabeledDataset, LabeledTrack
from genremodel.custom.estimators import ESTIMATORS, cross_validate, fit_dataset_novelty
from genremodel.custom.report import (
    MIN_CONFIDENCE,
    TrainingReport,
    balanced_accuracy,
    calibrating,
    summarize,
)
from genremodel.errors import TrainingError
from genremodel.models import musicnn
from genremodel.prediction import DecisionParams


def train(
    tracks: Sequence[LabeledTrack],
    *,
    name: str = "custom",
    field: str = "genres",
    features_version: str | None = None,
    estimator: Estimator | None = None,
) -> tuple[CustomModel, TrainingReport]:
    """Train a model on labeled tracks, and evaluate it on unseen artists.

    Logistic regression and nearest neighbors are compared by balanced accuracy in a
    cross-validation grouped by artist; the better one is used. The model rejects non-music as the
    bundled one does, unless that would reject most tracks of a genre.

    Parameters
    ----------
    tracks : sequence of LabeledTrack
        Tracks of two genres at least, by two artists at least.
    name : str
        Name of the model.
    field : str
        Name of the field that the genres are from, which is stored with the model.
    features_version : str, optional
        See `GenreClassifier.features_version`. By default, that of the bundled networks.
    estimator : {"linear", "neighbors"}, optional
        Logistic regression or nearest neighbors; by default, the better one. Only linear models
        can be exported.

    Returns
    -------
    model : CustomModel
        Save it with `model.save("mine.json")`, or pass it to `GenreClassifier`.
    report : TrainingReport
        The cross-validation; `print(report)` shows it.

    Raises
    ------
    TrainingError
        If there are too few genres, artists or tracks, or none to test on.

    Examples
    --------
    >>> from genremodel.analysis import Analysis
    >>> rng = np.random.default_rng(0)
    >>> def track(genre, artist):
    ...     values = rng.uniform(0.1, 0.2, (3, 500)) + 0.5 * genre
    ...     analysis = Analysis(np.arange(3.0), np.ones(3, bool), values.astype(np.float16))
    ...     return LabeledTrack(analysis, [("Ambient", "Techno")[genre]], artist)
    >>> tracks = [track(genre, f"artist {i}") for genre in range(2) for i in range(10)]
    >>> model, report = train(tracks)
    >>> model.params.genres
    ('Ambient', 'Techno')
    >>> print(report)
    genre    tracks  artists  precision  recall
    Ambient      10       10       1.00    1.00
    Techno       10       10       1.00    1.00
    20 tracks by 10 artists. Cross-validated on unseen artists:
    accuracy 100% (majority class: 50%); balanced accuracy: linear 100%, neighbors 100%
    at confidence 0.5: coverage 100%, accuracy 100%; calibration error 0.12
    """
    if len({genre for track in tracks for genre in track.genres}) < 2:
        raise TrainingError(f"there are fewer than two {label_word(field)}s")
    dataset = LabeledDataset.from_tracks(tracks)
    if len(np.unique(dataset.artist)) < 2:
        raise TrainingError("all tracks are by one artist")
    if not dataset.is_tested.any():
        raise TrainingError("there are only accepted predictions, so the model cannot be tested")
    shares = dataset.genres.mean(axis=0)
    prior = tuple((shares / shares.sum()).round(4).tolist())
    try:
        runs = {
            kind: cross_validate(dataset, fit, prior)
            for kind, fit in ESTIMATORS.items()
            if estimator in (None, kind)
        }
    except np.linalg.LinAlgError as exc:
        raise TrainingError(f"the tracks of a {label_word(field)} are all the same") from exc
    accuracies = {kind: balanced_accuracy(dataset, run) for kind, run in runs.items()}
    best = max(runs, key=lambda kind: accuracies[kind])
    everything = np.arange(len(tracks))
    accepts_nonmusic = any(dataset.is_music[members].mean() < 0.5 for members in dataset.genres.T)
    report = summarize(
        dataset, runs[best], accuracies, field=field, accepts_nonmusic=accepts_nonmusic
    )
    calibration = calibrating(dataset, runs[best]).calibration()
    model = CustomModel(
        name,
        field,
        musicnn.features_version() if features_version is None else features_version,
        DecisionParams(dataset.names, prior, calibration, MIN_CONFIDENCE, model=name),
        best,
        ESTIMATORS[best](dataset, everything),
        fit_dataset_novelty(dataset, everything),
        not accepts_nonmusic,
        report.summary(),
        trained=time.time(),
    )
    return model, report
