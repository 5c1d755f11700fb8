"""Protocols: how songs are split into training and test data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from genremodel.evaluation import FOLDS
from training.datasets.songs import SongTable
from training.student_systems.baseline import Baseline, View

_TEST_SHARE = 0.2
_SEED = 0


@dataclass(frozen=True)
class Fold:
    """Training songs and test songs.

    groups: (training songs,) groups that the inner split for early stopping keeps together, if any.
    """

    train: SongTable
    test: SongTable
    groups: NDArray[np.str_] | None


def leaky(songs: SongTable) -> list[Fold]:
    """Hold out a random fifth of the segments of every song, so each song is on both sides.

    values: (songs, segments, ...). Test segments are scored one by one.
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


def shuffled_tracks(songs: SongTable) -> list[Fold]:
    """Split all songs at random: artists are on both sides, songs are not."""
    train, test = train_test_split(
        np.arange(len(songs)), test_size=_TEST_SHARE, stratify=songs.genre, random_state=_SEED
    )
    return [Fold(songs[train], songs[test], songs.track[train])]


def honest(songs: SongTable) -> list[Fold]:
    """Score the songs that the dataset holds out; exclude their artists from training."""
    test = songs[songs.held_out]
    train = songs[~songs.held_out & ~np.isin(songs.group, test.group)]
    return [Fold(train, test, train.group)]


def cross_validated(songs: SongTable) -> list[Fold]:
    """Cross-validate on the training songs, grouped by artist and stratified by genre."""
    songs = songs[~songs.held_out]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=_SEED)
    parts = folds.split(songs.track, songs.genre, songs.group)
    return [Fold(songs[train], songs[test], songs.group[train]) for train, test in parts]


def score_segments(fold: Fold) -> Fold:
    """Return the fold with every test segment as a separate song."""
    return replace(fold, test=fold.test.split_segments())


PROTOCOLS: Mapping[str, Callable[[SongTable], list[Fold]]] = {
    "leaky": leaky,
    "shuffled tracks": shuffled_tracks,
    "honest": honest,
    "cross-validated": cross_validated,
}

# Activations are available for the training split only. Five more fits of every network on
# spectrograms would take about as long as everything else.
_EXCLUDED: Mapping[View, str] = {"activations": "honest", "mel": "cross-validated"}


def protocols_of(baseline: Baseline) -> list[str]:
    """Return the protocols that a baseline is scored on."""
    return [name for name in PROTOCOLS if name != _EXCLUDED.get(baseline.view)]
