"""librosa's audio descriptors, computed from mel spectrograms, and their moments.

Descriptors that need the waveform or finer frequencies are omitted: zero-crossing rate, harmonic
and percussive components, chroma (a mel band is wider than a semitone). Tempo would be too coarse:
at 12.9 frames per second, 120 and 129 beats per minute differ by less than half a frame per beat.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets.gtzan_mel import MEL_BANDS, SAMPLE_RATE, decibels

_MFCCS = 20
_CONTRASTS = 7

NAMES = (
    "level",
    "centroid",
    "bandwidth",
    "roll-off",
    "flatness",
    *(f"contrast {i}" for i in range(_CONTRASTS)),
    *(f"MFCC {i + 1}" for i in range(_MFCCS)),
)
MOMENTS = (*(f"{name}, mean" for name in NAMES), *(f"{name}, variance" for name in NAMES))


def describe(segments: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the descriptors of each frame.

    segments: (songs, segments, MEL_BANDS, frames), stored levels. Returns (songs, segments,
    len(NAMES), frames). Frequencies in Hz, level in dB.
    """
    return np.stack([_describe(song) for song in segments])


def _describe(segments: NDArray[np.uint8]) -> NDArray[np.float32]:
    from librosa import db_to_power, feature, mel_frequencies

    level = decibels(segments)
    power = db_to_power(level)
    bands: dict[str, Any] = {
        "S": np.sqrt(power),
        "sr": SAMPLE_RATE,
        "freq": mel_frequencies(n_mels=MEL_BANDS, fmax=SAMPLE_RATE / 2),
    }
    series = (
        10 * np.log10(power.mean(axis=-2, keepdims=True)),
        feature.spectral_centroid(**bands),
        feature.spectral_bandwidth(**bands),
        feature.spectral_rolloff(**bands),
        feature.spectral_flatness(S=bands["S"]),
        feature.spectral_contrast(**bands),
        feature.mfcc(S=level, sr=SAMPLE_RATE, n_mfcc=_MFCCS),
    )
    return np.concatenate(series, axis=-2).astype(np.float32)


def moments(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return mean and variance over all frames of all segments.

    descriptors: (songs, segments, columns, frames). Returns (songs, 2 * columns), means first.
    """
    axes = (1, 3)
    return np.concatenate([descriptors.mean(axis=axes), descriptors.var(axis=axes)], axis=1)


def moment_sequence(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return mean and variance over the frames of each segment, in order.

    descriptors: (songs, segments, columns, frames). Returns (songs, 2 * columns, segments).
    """
    both = np.concatenate([descriptors.mean(axis=3), descriptors.var(axis=3)], axis=2)
    return both.swapaxes(1, 2)
