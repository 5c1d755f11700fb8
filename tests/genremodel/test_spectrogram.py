from __future__ import annotations

import librosa
import numpy as np
import pytest

from genremodel.audio.params import FFT_BINS, FFT_SIZE, HOP_SIZE, WINDOW_FRAMES, WINDOW_SAMPLES
from genremodel.audio.spectrogram import power_spectrogram


@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_agrees_with_librosa(gain: float) -> None:
    samples = np.random.default_rng(0).uniform(-gain, gain, (3, WINDOW_SAMPLES)).astype(np.float32)
    power = power_spectrogram(samples)
    assert power.shape == (3, WINDOW_FRAMES, FFT_BINS)
    for row, window in zip(power, samples, strict=True):
        reference = np.abs(librosa.stft(window, n_fft=FFT_SIZE, hop_length=HOP_SIZE)) ** 2
        np.testing.assert_allclose(
            row, reference.T[:WINDOW_FRAMES], rtol=1e-4, atol=1e-4 * reference.max()
        )


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="48000"):
        power_spectrogram(np.zeros((1, 100), np.float32))


def test_windows_do_not_affect_each_other() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (3, WINDOW_SAMPLES)).astype(np.float32)
    alone = [power_spectrogram(window[np.newaxis]) for window in samples]
    np.testing.assert_array_equal(power_spectrogram(samples), np.concatenate(alone))
