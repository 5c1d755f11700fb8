"""Data augmentation: windows with altered speed, tone and level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genremodel.audio.params import SAMPLE_RATE, WINDOW_SAMPLES
from genremodel.audio.windows import Windows

MAX_COPIES = 4  # of the windows of a track together, and of each if it has one
_SPEED = 1.5  # semitones up or down; pitch and tempo change together
_TILT = 3.0  # dB per octave up or down
_GAIN = (-10.0, 4.0)  # dB
_DRAWS = 3  # random numbers of each copy
VERSION = f"{MAX_COPIES} copies, speed {_SPEED}, tilt {_TILT}, gain {_GAIN}"


def random_draws(start: int) -> np.random.Generator:
    """Return the generator of a corpus after so many random numbers."""
    return np.random.Generator(np.random.PCG64(0).advance(start))


def draw_count(windows: int) -> int:
    """Return how many random numbers `augmented` draws for a track of so many windows."""
    return windows * _copies(windows) * _DRAWS


def augmented(windows: Windows, rng: np.random.Generator) -> Windows:
    """Return copies of a track's windows with random speed, tone and level.

    After McFee, Humphrey and Bello, "A software framework for musical data augmentation", ISMIR
    2015, without time stretching.
    """
    copies = _copies(len(windows.samples))
    samples = [_altered(window, rng) for window in windows.samples for _ in range(copies)]
    starts = np.repeat(windows.starts, copies)
    return Windows(starts, np.array(samples, np.float32).reshape(-1, WINDOW_SAMPLES))


def _copies(windows: int) -> int:
    """Return the number of copies of each window of a track of so many."""
    return max(MAX_COPIES // max(windows, 1), 1)


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
