"""Sounds that are no music, synthesised: what a genre should never be heard in.

To show a model what it must not take for music is outlier exposure: Hendrycks, Mazeika and
Dietterich, "Deep anomaly detection with outlier exposure", ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from genremodel.constants import SAMPLE_RATE, WINDOW_SAMPLES

Sound = NDArray[np.float64]

_TIME = np.arange(WINDOW_SAMPLES) / SAMPLE_RATE


def nonmusic(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return windows of noise, tones and speech-like sound, (count, WINDOW_SAMPLES)."""
    sounds: list[Callable[[np.random.Generator], Sound]] = [_noise, _tones, _pulses, _speech]
    windows = [_levelled(sounds[number % len(sounds)](rng), rng) for number in range(count)]
    return np.stack(windows).astype(np.float32)


def _levelled(sound: Sound, rng: np.random.Generator) -> Sound:
    level = 10 ** (rng.uniform(-50, 0) / 20)
    return sound / max(float(np.abs(sound).max()), 1e-9) * level


def _noise(rng: np.random.Generator) -> Sound:
    """Noise that falls by up to 12 dB an octave: white, pink, brown and between."""
    spectrum = np.fft.rfft(rng.normal(size=WINDOW_SAMPLES))
    spectrum /= (np.arange(len(spectrum)) + 1) ** rng.uniform(0, 2)
    return np.fft.irfft(spectrum, WINDOW_SAMPLES)


def _tones(rng: np.random.Generator) -> Sound:
    """One to four tones that stay or glide, of several shapes, steady or trembling."""
    shape = rng.choice(4)
    sound = np.zeros(WINDOW_SAMPLES)
    for _ in range(rng.integers(1, 5)):
        start, end = np.exp(rng.uniform(np.log(60), np.log(6000), 2))
        if rng.random() < 0.7:
            end = start
        phase = np.cumsum(np.linspace(start, end, WINDOW_SAMPLES)) / SAMPLE_RATE
        wave = np.sin(2 * np.pi * phase)
        shapes = (wave, wave, np.sign(wave), 2 * (phase % 1) - 1)
        sound += rng.uniform(0.3, 1) * shapes[shape]
    depth = rng.choice([0.0, rng.uniform(0, 1)])
    return sound * (1 + depth * np.sin(2 * np.pi * rng.uniform(1, 10) * _TIME))


def _pulses(rng: np.random.Generator) -> Sound:
    """Clicks or bursts of noise, evenly spaced or not."""
    sound = np.zeros(WINDOW_SAMPLES)
    length = int(np.exp(rng.uniform(np.log(2), np.log(800))))
    gap = rng.uniform(0.02, 1.0) * SAMPLE_RATE
    uneven = rng.choice([0.0, 1.0])
    place = rng.uniform(0, gap)
    while place < WINDOW_SAMPLES - length:
        first = int(place)
        sound[first : first + length] = rng.choice([1.0, rng.normal()], size=length)
        place += gap * (1 + uneven * rng.uniform(-0.8, 0.8))
    return sound


def _speech(rng: np.random.Generator) -> Sound:
    """Syllables by a source and three formants: Klatt, "Software for a cascade/parallel formant
    synthesizer", 1980, much reduced.
    """
    pitch = rng.uniform(80, 260)
    slow = np.sin(2 * np.pi * rng.uniform(0.3, 3) * _TIME + rng.uniform(0, 6))
    voice = 2 * (np.cumsum(pitch * (1 + rng.uniform(0.02, 0.25) * slow)) / SAMPLE_RATE % 1) - 1
    breath = rng.normal(size=WINDOW_SAMPLES)
    sound = np.zeros(WINDOW_SAMPLES)
    place = 0
    while place < WINDOW_SAMPLES:
        syllable = slice(place, place + int(rng.uniform(0.05, 0.3) * SAMPLE_RATE))
        voiced = rng.random() < 0.75
        part = voice[syllable] if voiced else 0.3 * breath[syllable]
        for low, high, width in ((250, 850, 80), (850, 2400, 120), (2200, 3300, 180)):
            radius = np.exp(-np.pi * width / SAMPLE_RATE)
            angle = 2 * np.pi * rng.uniform(low, high) / SAMPLE_RATE
            part = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], part)
        silent = rng.random() < 0.15
        sound[syllable] = 0 if silent else part * np.hanning(len(part)) * rng.uniform(0.4, 1)
        place = syllable.stop
    return sound
