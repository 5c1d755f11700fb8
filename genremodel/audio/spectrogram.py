"""Power spectrograms of windows: the part of the front end that runs outside the ONNX graph."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from genremodel.audio.params import FFT_BINS, FFT_SIZE, HOP_SIZE, WINDOW_FRAMES, WINDOW_SAMPLES


@lru_cache(maxsize=1)
def _hann() -> NDArray[np.float32]:
    # As scipy.signal.get_window("hann", FFT_SIZE) has it; to import that takes longer than a track.
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SIZE) / FFT_SIZE)).astype(np.float32)


def power_spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power spectrogram of each window, as `librosa.stft(center=True)` squared has it.

    samples: (windows, WINDOW_SAMPLES), 16 kHz mono in [-1, 1].
    Returns (windows, WINDOW_FRAMES, FFT_BINS), non-negative, float32.

    The windows are padded with zeros by half an FFT on both sides and the last frame, which is
    half padding, is dropped: 187 frames of 3 s, the size that the backbone was trained on.
    """
    if samples.ndim != 2 or samples.shape[1] != WINDOW_SAMPLES:
        raise ValueError(f"expected (windows, {WINDOW_SAMPLES}) samples, got {samples.shape}")
    padded = np.pad(samples, ((0, 0), (FFT_SIZE // 2, FFT_SIZE // 2)))
    frames = sliding_window_view(padded, FFT_SIZE, axis=1)[:, ::HOP_SIZE][:, :WINDOW_FRAMES]
    spectrum = scipy.fft.rfft(frames * _hann(), axis=-1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    assert power.shape[1:] == (WINDOW_FRAMES, FFT_BINS)
    return power.astype(np.float32, copy=False)
