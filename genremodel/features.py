"""Hand-made features of windows for the KNN fallback, by librosa."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.constants import SAMPLE_RATE

_FFT_SIZE = 1024  # samples: 64 ms
_HOP_SIZE = 512
_MFCCS = 20

FEATURES = 2 * (12 + 1 + 1 + 1 + 1 + 1 + _MFCCS)


def window_features(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return mean and standard deviation over time of the classic descriptors of each window.

    samples: (windows, WINDOW_SAMPLES), 16 kHz mono. Returns (windows, FEATURES): chroma, RMS,
    spectral centroid, bandwidth and roll-off, zero-crossing rate, MFCCs; means before deviations.
    No harmonic-percussive separation: it takes longer than everything else together.
    """
    return np.stack([_features(window) for window in samples])


def _features(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    from librosa import feature, power_to_db, stft

    size: dict[str, Any] = {"n_fft": _FFT_SIZE, "hop_length": _HOP_SIZE}
    magnitude = np.abs(stft(samples, **size))
    power = np.square(magnitude)
    mel = feature.melspectrogram(S=power, sr=SAMPLE_RATE)
    series = np.vstack(
        [
            # The tuning is fixed: estimating it for 3 s is slow and often wrong.
            feature.chroma_stft(S=power, sr=SAMPLE_RATE, n_fft=_FFT_SIZE, tuning=0.0),
            feature.rms(S=magnitude, frame_length=_FFT_SIZE),
            feature.spectral_centroid(S=magnitude, sr=SAMPLE_RATE),
            feature.spectral_bandwidth(S=magnitude, sr=SAMPLE_RATE),
            feature.spectral_rolloff(S=magnitude, sr=SAMPLE_RATE),
            feature.zero_crossing_rate(samples, frame_length=_FFT_SIZE, hop_length=_HOP_SIZE),
            feature.mfcc(S=power_to_db(mel), sr=SAMPLE_RATE, n_mfcc=_MFCCS),
        ]
    )
    return np.concatenate([series.mean(axis=1), series.std(axis=1)]).astype(np.float32)
