"""Mel-spectrograms of GTZAN's whole tracks, fault-filtered training and validation split.

Source: `gtzan-mel/train.npz` and `valid.npz`, arrays `level` (tracks, MEL_BANDS, FRAMES) uint8, low
mel first, `track` and `genre`: librosa's `melspectrogram` of 22.05 kHz audio (FFT 2048, hop 512) as
`power_to_db(ref=max)`, every 3.34th frame. dB = level / 255 * 80 - 80, within about 1 dB. Known
problems: features of the waveform (zero crossings, harmonic and percussive parts, tempo) are lost;
one training track of 443 is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets.gtzan_taggrams import read_artists
from training.datasets.songs import SongTable
from training.datasets.track import DataError, genre_name

MEL_BANDS = 128
FRAMES = 387  # of 30 s
FRAME_RATE = 12.9  # Hz
SAMPLE_RATE = 22_050  # Hz, of the audio that the spectrograms were computed from
RANGE = 80.0  # dB below the loudest cell, represented by level 0

_ARRAYS = ("level", "track", "genre")


def load(folder: Path) -> SongTable:
    """Return the tracks of both splits, those of `valid` held out, grouped by artist.

    values: (songs, MEL_BANDS, FRAMES) uint8. A track by an unknown artist is its own group.
    Raises DataError if a file is missing or has another shape.
    """
    parts = [_read(folder / "gtzan-mel" / f"{split}.npz") for split in ("train", "valid")]
    level, track, genre = (np.concatenate([part[name] for part in parts]) for name in _ARRAYS)
    artists = read_artists(folder)
    names = track.astype(str)
    return SongTable(
        level,
        names,
        np.array([genre_name(name) for name in genre.astype(str).tolist()]),
        np.array([artists.get(name, name) for name in names.tolist()]),
        held_out=np.repeat([False, True], [len(part["track"]) for part in parts]),
    )


def decibels(level: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return stored levels in dB below the loudest cell of the track, in [-RANGE, 0]."""
    return (level * np.float32(RANGE / 255) - np.float32(RANGE)).astype(np.float32)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError) as exc:
        raise DataError(f"{path}: {exc}") from exc
    tracks = len(arrays["track"])
    if arrays["level"].shape != (tracks, MEL_BANDS, FRAMES) or len(arrays["genre"]) != tracks:
        raise DataError(f"{path}: expected {MEL_BANDS} bands, {FRAMES} frames, a genre per track")
    return arrays
