"""Data augmentation: windows with altered speed, tone and level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genremodel.audio.params import SAMPLE_RATE, WINDOW_SAMPLES
from genremodel.audio.windows import Windows

_COPIES = 4  # of a track with one window; fewer per window if it has more
_SPEED = 1.5  # semitones up or down; pitch and tempo change together
_TILT = 3.0  # dB per octave up or down
_GAIN = (-10.0, 4.0)  # dB


def augmented(windows: Windows, rng: np.random.Generator) -> Windows:
    """Return copies of a track's windows with random speed, tone and level.

    After McFee, Humphrey and Bello, "A software framework for musical data augmentation", ISMIR
    2015, without time stretching.
    """
    copies = max(_COPIES // max(len(windows.samples), 1), 1)
    samples = [_altered(window, rng) for window in windows.samples for _ in range(copies)]
    starts = np.repeat(windows.starts, copies)
    return Windows(starts, np.array(samples, np.float32).reshape(-1, WINDOW_SAMPLES))


def _altered(window: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    speed = 2 ** (rng.uniform(-_SPEED, _SPEED) / 12)
    places = np.arange(WINDOW_SAMPLES) * speed
    # At a higher speed the window is too short, and is repeated, as short tracks are.
    resampled = np.interp(places, np.arange(len(window)), window, period=len(window))
    spectrum = np.fft.rfft(resampled)
    frequency = (
        np.fft.rfftfreq(WINDOW_SAMPLES, 1 / SAMPLE_RATE) + 50
    )  # Hz, plus 50 to bound the bass
    tilted = spectrum * frequency ** (rng.uniform(-_TILT, _TILT) / (20 * np.log10(2)))
    level = np.linalg.norm(spectrum) / (np.linalg.norm(tilted) + 1e-12)
    gain = level * 10 ** (rng.uniform(*_GAIN) / 20)
    return np.clip(np.fft.irfft(tilted * gain, WINDOW_SAMPLES), -1, 1)
