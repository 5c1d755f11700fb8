"""Hand-made features of windows for the KNN fallback, by librosa, in groups to choose from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.audio.params import SAMPLE_RATE

_FFT_SIZE = 1024  # samples: 64 ms
_HOP_SIZE = 512
_STATISTICS = 3  # of each descriptor over the frames of a window
_TINY = 1e-6  # keeps the logarithm of what stands still finite

# How many descriptors each group has; the order is that of the features.
GROUPS: Mapping[str, int] = {
    "chroma": 12,
    "tonnetz": 6,
    "loudness": 1,
    "onsets": 1,
    "zero crossings": 1,
    "spectral shape": 4,
    "spectral contrast": 7,
    "mel bands": 8,
    "MFCCs": 20,
}


def window_features(
    samples: NDArray[np.float32], groups: Collection[str] = tuple(GROUPS)
) -> NDArray[np.float32]:
    """Return what the descriptors of some groups do in each window.

    samples: (windows, WINDOW_SAMPLES), 16 kHz mono. Returns (windows, features): the means over
    time, the logarithms of the standard deviations, and those of the standard deviations of what
    changes from frame to frame, which tell a fast change from a slow one.
    No harmonic-percussive separation: it takes longer than everything else together.
    """
    ordered = [group for group in GROUPS if group in groups]
    return np.stack([_features(window, ordered) for window in samples])


def columns(groups: Collection[str]) -> NDArray[np.bool_]:
    """Return which of the features of all groups are features of these."""
    descriptors = [group in groups for group, size in GROUPS.items() for _ in range(size)]
    return np.tile(descriptors, _STATISTICS)


def _features(samples: NDArray[np.float32], groups: list[str]) -> NDArray[np.float32]:
    find = _series(samples)
    series = np.vstack([find[group]() for group in groups])
    spread, change = series.std(axis=1), np.diff(series, axis=1).std(axis=1)
    statistics = [series.mean(axis=1), np.log(spread + _TINY), np.log(change + _TINY)]
    return np.concatenate(statistics).astype(np.float32)


def _series(samples: NDArray[np.float32]) -> dict[str, Callable[[], NDArray[Any]]]:
    """Return what finds the descriptors of each group, (descriptors, frames)."""
    from librosa import feature, onset, power_to_db, stft

    magnitude = np.abs(stft(samples, n_fft=_FFT_SIZE, hop_length=_HOP_SIZE))
    power = np.square(magnitude)
    mel = power_to_db(feature.melspectrogram(S=power, sr=SAMPLE_RATE))
    # The tuning is fixed: estimating it for 3 s is slow and often wrong.
    chroma = feature.chroma_stft(S=power, sr=SAMPLE_RATE, n_fft=_FFT_SIZE, tuning=0.0)
    size: dict[str, Any] = {"frame_length": _FFT_SIZE}
    return {
        "chroma": lambda: chroma,
        "tonnetz": lambda: feature.tonnetz(chroma=chroma),
        "loudness": lambda: power_to_db(np.square(feature.rms(S=magnitude, **size)), top_db=None),
        "onsets": lambda: onset.onset_strength(S=mel, sr=SAMPLE_RATE)[np.newaxis],
        "zero crossings": lambda: feature.zero_crossing_rate(samples, hop_length=_HOP_SIZE, **size),
        "spectral shape": lambda: np.vstack(
            [
                feature.spectral_centroid(S=magnitude, sr=SAMPLE_RATE),
                feature.spectral_bandwidth(S=magnitude, sr=SAMPLE_RATE),
                feature.spectral_rolloff(S=magnitude, sr=SAMPLE_RATE),
                np.log(feature.spectral_flatness(S=magnitude) + _TINY),
            ]
        ),
        "spectral contrast": lambda: feature.spectral_contrast(
            S=magnitude, sr=SAMPLE_RATE, fmin=100.0
        ),
        "mel bands": lambda: mel.reshape(GROUPS["mel bands"], -1, mel.shape[1]).mean(axis=1),
        "MFCCs": lambda: feature.mfcc(S=mel, sr=SAMPLE_RATE, n_mfcc=GROUPS["MFCCs"]),
    }
