"""Views of a song that baselines read: cut spectrograms, their descriptors, or activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import NetworkOutputs
from training.datasets import gtzan_taggrams
from training.datasets.gtzan_mel import FRAME_RATE, FRAMES
from training.datasets.songs import SongTable
from training.student_systems.baseline import View
from training.student_systems.descriptors import describe

SEGMENT_FRAMES = 39  # 3 s
SONG_SECONDS = FRAMES / FRAME_RATE
_WINDOWS = 10  # per song, 3 s each, adjacent


def cut(level: NDArray[Any], seconds: float = SONG_SECONDS) -> NDArray[Any]:
    """Return the middle `seconds` of spectrograms as segments of 3 s, evenly spaced.

    level: (songs, bands, FRAMES). Returns (songs, segments, bands, SEGMENT_FRAMES), with as few
    segments as cover all frames: 10 for 30 s, overlapping by one frame at most. Excerpts below 3 s
    are repeated to fill one segment.
    """
    frames = round(seconds * FRAME_RATE)
    start = (level.shape[2] - frames) // 2
    middle = level[:, :, start : start + frames]
    if frames < SEGMENT_FRAMES:
        return np.pad(middle, ((0, 0), (0, 0), (0, SEGMENT_FRAMES - frames)), "wrap")[:, np.newaxis]
    starts = np.linspace(0, frames - SEGMENT_FRAMES, ceil(frames / SEGMENT_FRAMES)).round()
    parts = [middle[:, :, i : i + SEGMENT_FRAMES] for i in starts.astype(int).tolist()]
    return np.stack(parts, axis=1)


VIEWS: Mapping[View, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "mel": lambda segments: segments,
    "descriptors": describe,
}


def taggrams(folder: Path) -> SongTable:
    """Return the activations of the training songs. values: (songs, 10, TAGS).

    Uses every third of the stored windows, because those do not overlap. Raises DataError.
    """
    rows = gtzan_taggrams.load(folder)
    genre, group, members = rows.by_track()
    activations = NetworkOutputs.split(rows.values).activations
    windows = np.stack([activations[track[: 3 * _WINDOWS : 3]] for track in members])
    return SongTable(windows, rows.names, genre, group, np.zeros(len(members), np.bool_))
