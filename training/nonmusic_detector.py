"""Fit the detector of non-music, and choose its threshold on music by unseen artists."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from genremodel.analysis import NetworkOutputs
from genremodel.column_table import ColumnTable
from genremodel.evaluation import FOLDS
from genremodel.models.nonmusic import nonmusic_odds
from training.window_table import WindowTable

_SHUFFLES = 3


@dataclass(frozen=True)
class Examples:
    """What a detector is fitted on.

    Parameters
    ----------
    music : WindowTable
        Values that the detector reads. Augmented windows are fitted on, and not scored.
    sounds : WindowTable
        The same of non-music. The kind of a sound is its genre and group.
    lost : float
        The share of tracks of music by unseen artists that may be rejected.
    c : float
        Inverse regularization strength, scikit-learn's C.
    """

    music: WindowTable
    sounds: WindowTable
    lost: float
    c: float

    def without_kind(self, kind: str) -> Examples:
        """Return the examples without the sounds of a kind."""
        return replace(self, sounds=self.sounds[~self.sounds.in_group([kind])])


@dataclass(frozen=True)
class UnseenMusic(ColumnTable):
    """Odds of tracks of music by detectors that were not fitted on their artists.

    odds: (rows,) log-odds of non-music. Each track has a row for each shuffle of the artists.
    artist: (rows,). shuffle, fold: (rows,) in which the artist was held out. lost: (rows,) see
    `Examples`.
    """

    odds: NDArray[np.float64]
    artist: NDArray[np.str_]
    shuffle: NDArray[np.intp]
    fold: NDArray[np.intp]
    lost: NDArray[np.float64]

    @property
    def threshold(self) -> float:
        """The log-odds that as many tracks exceed as may be lost."""
        return float(np.quantile(self.odds, 1 - self.lost[0]))

    @property
    def rejected(self) -> NDArray[np.bool_]:
        """(rows,) True for tracks that are rejected at the threshold of tracks by others.

        The threshold for the tracks of a fold is that of the artists who are not in it.
        """
        rejected = np.zeros(len(self), np.bool_)
        for shuffle, fold in np.unique(np.stack([self.shuffle, self.fold]), axis=1).T:
            held_out = (self.shuffle == shuffle) & (self.fold == fold)
            others = self[~np.isin(self.artist, self.artist[held_out])]
            rejected[held_out] = self.odds[held_out] > others.threshold
        return rejected


def embeddings(table: WindowTable) -> WindowTable:
    """Return the values that the CNN's detector reads, for the windows that have them.

    table: outputs of the networks.
    """
    outputs = NetworkOutputs.split(table.values)
    return replace(table, values=outputs.both_embeddings, track=table.track[outputs.by_both])


def fit_nonmusic(examples: Examples) -> NDArray[np.float64]:
    """Fit the detector and return its weights and bias, (values + 1,), see `is_nonmusic`."""
    weights = _fit(examples.music, examples)
    weights[-1] -= unseen_music(examples).threshold
    return weights


def unseen_music(examples: Examples) -> UnseenMusic:
    """Return the odds of the tracks of music, by cross-validation grouped by artist."""
    music = examples.music
    tracks = music[~music.has_role("altered")]
    _, artists, members = tracks.by_track()
    folds = min(FOLDS, len(np.unique(artists)))
    tables = []
    for shuffle in range(_SHUFFLES):
        divided = GroupKFold(folds, shuffle=True, random_state=shuffle)
        for fold, (_, held_out) in enumerate(divided.split(artists, groups=artists)):
            others = music[~music.in_group(artists[held_out])]
            weights = _fit(others, examples)
            odds = [nonmusic_odds(weights, tracks.values[members[track]]) for track in held_out]
            rest = (np.full(len(held_out), number) for number in (shuffle, fold, examples.lost))
            tables.append(UnseenMusic(np.array(odds), artists[held_out], *rest))
    return sum(tables[1:], tables[0])


def _fit(music: WindowTable, examples: Examples) -> NDArray[np.float64]:
    """Fit a detector, whose threshold is not chosen yet, on some of the music.

    Music and sounds weigh the same. The weight of an artist or kind grows with the square root of
    its windows.
    """
    music, sounds = music[music.fitted_rows()], examples.sounds
    values = np.concatenate([music.values, sounds.values], dtype=np.float32)
    weights = _weight(music.group_index), _weight(sounds.group_index)
    weight = np.concatenate(weights) * len(values) / 2
    is_sound = np.arange(len(values)) >= len(music)
    scaler = StandardScaler().fit(values)
    # The tolerance stops the fit early, which is a part of the regularization.
    regression = LogisticRegression(C=examples.c, tol=1e-3, max_iter=2000)
    with threadpool_limits(1):  # faster, and the sums do not depend on the number of processors
        regression.fit(scaler.transform(values), is_sound, sample_weight=weight)
    slopes = regression.coef_[0] / scaler.scale_
    return np.append(slopes, regression.intercept_[0] - scaler.mean_ @ slopes)


def _weight(group: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the weights of windows, whose sum is 1."""
    _, owner, windows = np.unique(group, return_inverse=True, return_counts=True)
    weight: NDArray[np.float64] = 1 / np.sqrt(windows[owner])
    return weight / weight.sum()
