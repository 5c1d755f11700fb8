"""Synthetic labeled tracks: analyses whose logits are near the center of a genre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, TAGS, Analysis, NetworkOutputs
from genremodel.custom.custom_model import CustomModel, Estimator
from genremodel.custom.dataset import LabeledDataset, LabeledTrack
from genremodel.custom.estimators import ESTIMATORS
from genremodel.custom.report import TrainingReport
from genremodel.custom.training import train
from genremodel.models._special import expit
from genremodel.models.bundled import bundled_nonmusic
from genremodel.models.heads import LOGITS

CENTERS = np.random.default_rng(0).normal(size=(6, LOGITS))


def analysis(logits: NDArray[np.floating[Any]], *, is_music: bool = True) -> Analysis:
    """Return the analysis of audible windows with these logits, (windows, LOGITS)."""
    both = np.zeros(2 * EMBEDDING_SIZE) if is_music else 100 * bundled_nonmusic()[:-1]
    first, second = np.split(np.tile(both, (len(logits), 1)), 2, axis=1)
    activations = expit(logits)
    outputs = NetworkOutputs(activations[:, :TAGS], first, activations[:, TAGS:], second)
    count = len(logits)
    return Analysis(
        np.arange(float(count)), np.ones(count, np.bool_), outputs.join().astype(np.float16)
    )


def genre_logits(genre: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the logits of ten windows of a random track of a genre."""
    center = CENTERS[genre] + rng.normal(size=LOGITS)
    return (center + 0.5 * rng.normal(size=(10, LOGITS))).clip(-6, 6)


def labeled_track(
    genres: Sequence[int], artist: object, rng: np.random.Generator, *, is_music: bool = True
) -> LabeledTrack:
    """Return a random track of the first of its genres."""
    found = analysis(genre_logits(genres[0], rng), is_music=is_music)
    return LabeledTrack(found, [f"genre {genre}" for genre in genres], f"artist {artist}")


def labeled_tracks(tracks: int = 20, artists: int = 10) -> list[LabeledTrack]:
    """Return so many tracks of each of three genres, every artist having tracks of all."""
    rng = np.random.default_rng(1)
    return [labeled_track([genre], i % artists, rng) for genre in range(3) for i in range(tracks)]


def trained(tracks: Sequence[LabeledTrack]) -> tuple[CustomModel, TrainingReport]:
    """Return a model and its report, for outputs of the version "v"."""
    return train(tracks, name="mine", features_version="v")


@cache
def custom_model(estimator: Estimator = "linear") -> CustomModel:
    """Return a model of three genres with the head of an estimator, always the same."""
    tracks = labeled_tracks()
    fitted, _ = trained(tracks)
    head = ESTIMATORS[estimator](LabeledDataset.from_tracks(tracks), np.arange(len(tracks)))
    return replace(fitted, estimator=estimator, head=head)


def window_values() -> NDArray[np.float16]:
    """Return the analyzed windows of a track."""
    return analysis(CENTERS[:3]).values
