"""Windows as they might have sounded elsewhere: more to learn from where recordings are few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genremodel.audio.params import SAMPLE_RATE, WINDOW_SAMPLES
from genremodel.audio.windows import Windows

_COPIES = 4  # of a track with one window; with more, fewer of each
_SPEED = 1.5  # semitones up or down: pitch and tempo together, as a turntable does it
_TILT = 3.0  # dB an octave up or down
_GAIN = (-10.0, 4.0)  # dB


def augmented(windows: Windows, rng: np.random.Generator) -> Windows:
    """Return altered copies of a track's windows: another speed, tone and level in each.

    After McFee, Humphrey and Bello, "A software framework for musical data augmentation", ISMIR
    2015, but for the stretching of time alone.
    """
    copies = max(_COPIES // max(len(windows.samples), 1), 1)
    samples = [_altered(window, rng) for window in windows.samples for _ in range(copies)]
    starts = np.repeat(windows.starts, copies)
    return Windows(starts, np.array(samples, np.float32).reshape(-1, WINDOW_SAMPLES))


def _altered(window: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    speed = 2 ** (rng.uniform(-_SPEED, _SPEED) / 12)
    places = np.arange(WINDOW_SAMPLES) * speed
    # Played faster it is too short, and begins again, as short tracks do.
    resampled = np.interp(places, np.arange(len(window)), window, period=len(window))
    spectrum = np.fft.rfft(resampled)
    frequency = np.fft.rfftfreq(WINDOW_SAMPLES, 1 / SAMPLE_RATE) + 50  # Hz, and no infinite bass
    tilted = spectrum * frequency ** (rng.uniform(-_TILT, _TILT) / (20 * np.log10(2)))
    level = np.linalg.norm(spectrum) / (np.linalg.norm(tilted) + 1e-12)
    gain = level * 10 ** (rng.uniform(*_GAIN) / 20)
    return np.clip(np.fft.irfft(tilted * gain, WINDOW_SAMPLES), -1, 1)
