"""Power spectrograms: the part of the front end that is not in the ONNX graph."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from genremodel.audio.params import FFT_BINS, FFT_SIZE, HOP_SIZE, WINDOW_FRAMES, WINDOW_SAMPLES


@lru_cache(maxsize=1)
def _hann() -> NDArray[np.float32]:
    # scipy.signal.get_window("hann", FFT_SIZE), whose import takes longer than analyzing a track.
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SIZE) / FFT_SIZE)).astype(np.float32)


def power_spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return |STFT|^2 of each window with a Hann window.

    This is the squared magnitude of `librosa.stft(center=True)`. Windows are padded with half an
    FFT of zeros on both sides. The last frame, half of it padding, is dropped: 187 frames for 3 s,
    the input size of musicnn.

    Parameters
    ----------
    samples : (windows, WINDOW_SAMPLES)
        Mono at `SAMPLE_RATE`, in [-1, 1].

    Returns
    -------
    (windows, WINDOW_FRAMES, FFT_BINS)
        Non-negative.

    Raises
    ------
    ValueError
        If the samples have another shape.

    Examples
    --------
    >>> power_spectrogram(np.zeros((2, WINDOW_SAMPLES), np.float32)).shape
    (2, 187, 257)
    """
    if samples.ndim != 2 or samples.shape[1] != WINDOW_SAMPLES:
        raise ValueError(f"expected (windows, {WINDOW_SAMPLES}) samples, got {samples.shape}")
    return np.stack([_power(window) for window in samples])


def _power(window: NDArray[np.float32]) -> NDArray[np.float32]:
    frames = sliding_window_view(np.pad(window, FFT_SIZE // 2), FFT_SIZE)[::HOP_SIZE]
    # scipy.fft.rfft saves 1 ms per track, but its import takes each worker process 170 ms.
    spectrum = np.fft.rfft(frames[:WINDOW_FRAMES] * _hann())
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    assert power.shape == (WINDOW_FRAMES, FFT_BINS)
    return power.astype(np.float32, copy=False)
