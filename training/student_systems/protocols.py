"""How songs are divided into those that a model is fitted on and those that it is scored with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from genremodel.evaluation import FOLDS
from training.student_systems.baseline import Baseline, View
from training.student_systems.songs import Songs

_TEST_SHARE = 0.2
_SEED = 0


@dataclass(frozen=True)
class Fold:
    """Songs to fit on and songs to score with.

    groups: (training songs,) what an inner split, for early stopping, keeps together; None where
    it may divide anything.
    """

    train: Songs
    test: Songs
    groups: NDArray[np.str_] | None


def leaky(songs: Songs) -> list[Fold]:
    """Shuffle the segments of every song and keep a fifth of them: each song is on both sides.

    values: (songs, segments, ...). What is said of a test segment is scored by itself.
    """
    rng = np.random.default_rng(_SEED)
    count = songs.values.shape[1]
    order = rng.permuted(np.tile(np.arange(count), (len(songs), 1)), axis=1)
    shuffled = songs.values[np.arange(len(songs))[:, np.newaxis], order]
    held_out = round(_TEST_SHARE * count)
    return [
        Fold(
            songs.with_values(shuffled[:, held_out:]),
            songs.with_values(shuffled[:, :held_out]),
            groups=None,
        )
    ]


def shuffled_tracks(songs: Songs) -> list[Fold]:
    """Divide all songs at random, whoever they are by: artists are on both sides, songs are not."""
    train, test = train_test_split(
        np.arange(len(songs)), test_size=_TEST_SHARE, stratify=songs.genre, random_state=_SEED
    )
    return [Fold(songs[train], songs[test], songs.track[train])]


def honest(songs: Songs) -> list[Fold]:
    """Score the songs that the dataset holds out; what else their artists made is not fitted on."""
    test = songs[songs.held_out]
    train = songs[~songs.held_out & ~np.isin(songs.group, test.group)]
    return [Fold(train, test, train.group)]


def cross_validated(songs: Songs) -> list[Fold]:
    """Score the training songs in folds, grouped by artist and stratified by genre."""
    songs = songs[~songs.held_out]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=_SEED)
    parts = folds.split(songs.track, songs.genre, songs.group)
    return [Fold(songs[train], songs[test], songs.group[train]) for train, test in parts]


def score_segments(fold: Fold) -> Fold:
    """Return the fold with every test segment as a song of its own."""
    return replace(fold, test=fold.test.apart())


PROTOCOLS: Mapping[str, Callable[[Songs], list[Fold]]] = {
    "leaky": leaky,
    "shuffled tracks": shuffled_tracks,
    "honest": honest,
    "cross-validated": cross_validated,
}

# Activations are known of the training split alone. Five more fits of every network on spectrograms
# would take about as long as all the rest.
_LEFT_OUT: Mapping[View, str] = {"activations": "honest", "mel": "cross-validated"}


def protocols_of(baseline: Baseline) -> list[str]:
    """Return the protocols that a baseline is measured on."""
    return [name for name in PROTOCOLS if name != _LEFT_OUT.get(baseline.view)]
