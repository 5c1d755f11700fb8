"""Synthesized non-music: noise, tones, pulses, speech-like sounds and steady tones.

Fitting a model on what it must reject is outlier exposure: Hendrycks, Mazeika and Dietterich, "Deep
anomaly detection with outlier exposure", ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import scipy  # its subpackages are imported when they are used
from numpy.typing import NDArray

from genremodel.audio.params import SAMPLE_RATE, WINDOW_SAMPLES

Sound = NDArray[np.float64]

_TIME = np.arange(WINDOW_SAMPLES) / SAMPLE_RATE
_FREQUENCY = np.fft.rfftfreq(WINDOW_SAMPLES, 1 / SAMPLE_RATE)
_FRAME = SAMPLE_RATE // 50  # samples during which a voice is constant
# First three formants of ten vowels, Hz, means of men's: Peterson and Barney, "Control methods
# used in a study of the vowels", 1952.
_VOWELS = np.array(
    [
        (270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410),
        (730, 1090, 2440), (570, 840, 2410), (440, 1020, 2240), (300, 870, 2240),
        (640, 1190, 2390), (490, 1350, 1690),
    ]
)  # fmt: skip
_BANDWIDTHS = (60, 90, 150, 250)  # Hz, of these formants and a fourth
_FOURTH = 3500.0  # Hz
_TINY = 1e-9  # keeps the level of silence finite


def nonmusic(each: int, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Return windows of every kind of sound, (each, WINDOW_SAMPLES), by name."""
    return {
        kind: np.stack([_leveled(synthesize(rng), rng) for _ in range(each)]).astype(np.float32)
        for kind, synthesize in _KINDS.items()
    }


def _leveled(sound: Sound, rng: np.random.Generator) -> Sound:
    level = 10 ** (rng.uniform(-50, 0) / 20)
    return sound / max(float(np.abs(sound).max()), _TINY) * level


def _noise(rng: np.random.Generator) -> Sound:
    """Noise that falls by up to 12 dB per octave, full or band-limited, steady or swelling."""
    spectrum = np.fft.rfft(rng.normal(size=WINDOW_SAMPLES))
    spectrum /= (np.arange(len(spectrum)) + 1) ** rng.uniform(0, 2)
    if rng.random() < 0.5:
        low, high = np.sort(np.exp(rng.uniform(np.log(40), np.log(8000), 2)))
        spectrum *= 1 / (1 + (low / (_FREQUENCY + 1)) ** 4) / (1 + (_FREQUENCY / high) ** 4)
    return np.fft.irfft(spectrum, WINDOW_SAMPLES) * _swelling(rng)


def _swelling(rng: np.random.Generator) -> Sound:
    if rng.random() < 0.5:
        return np.ones(WINDOW_SAMPLES)
    places = np.linspace(0, 3, int(np.exp(rng.uniform(np.log(3), np.log(60)))))
    return np.interp(_TIME, places, rng.uniform(0, 1, len(places)) ** 2)


def _tones(rng: np.random.Generator) -> Sound:
    """One to four steady, gliding or warbling tones of several waveforms, continuous or beeping."""
    shape = rng.choice(4)
    sound = np.zeros(WINDOW_SAMPLES)
    for _ in range(rng.integers(1, 5)):
        start, end = np.exp(rng.uniform(np.log(60), np.log(6000), 2))
        if rng.random() < 0.7:
            end = start
        warble = 1 + rng.choice([0.0, 0.3]) * rng.random() * np.sin(
            2 * np.pi * rng.uniform(0.3, 12) * _TIME
        )
        phase = np.cumsum(np.linspace(start, end, WINDOW_SAMPLES) * warble) / SAMPLE_RATE
        wave = np.sin(2 * np.pi * phase)
        shapes = (wave, wave, np.sign(wave), 2 * (phase % 1) - 1)
        sound += rng.uniform(0.3, 1) * shapes[shape]
    beat = np.sin(2 * np.pi * rng.uniform(0.5, 10) * _TIME)
    depth = rng.uniform(0, 1)
    return sound * (1.0, 1 + depth * beat, beat > rng.uniform(-0.8, 0.8))[rng.choice(3)]


def _pulses(rng: np.random.Generator) -> Sound:
    """Clicks or noise bursts, evenly spaced or not, sharp or decaying, dry or resonant."""
    sound = np.zeros(WINDOW_SAMPLES)
    length = int(np.exp(rng.uniform(np.log(2), np.log(3000))))
    shape = np.exp(-rng.choice([0.0, rng.uniform(1, 8)]) * np.linspace(0, 1, length))
    gap = rng.uniform(0.02, 1.5) * SAMPLE_RATE
    uneven = rng.choice([0.0, 1.0])
    place = rng.uniform(0, gap)
    while place < WINDOW_SAMPLES - length:
        first = int(place)
        sound[first : first + length] = rng.choice([1.0, rng.normal()], size=length) * shape
        place += gap * (1 + uneven * rng.uniform(-0.8, 0.8))
    ring = rng.choice([0.0, rng.uniform(0.9, 0.9995)])
    angle = 2 * np.pi * np.exp(rng.uniform(np.log(80), np.log(5000))) / SAMPLE_RATE
    return scipy.signal.lfilter([1.0], [1, -2 * ring * np.cos(angle), ring**2], sound)


def _speech(rng: np.random.Generator) -> Sound:
    """Syllables of gliding vowels with hisses and pauses, voiced or whispered.

    A source and a cascade of formants, a much reduced form of Klatt, "Software for a
    cascade/parallel formant synthesizer", 1980.
    """
    frames = WINDOW_SAMPLES // _FRAME
    formants, voiced, hissed = _articulation(frames, rng)
    melody = np.cumsum(rng.normal(0, 0.015, frames)) - np.linspace(0, rng.uniform(0, 0.4), frames)
    pitch = rng.uniform(70, 300) * np.exp(melody)
    cycles = np.cumsum(np.repeat(pitch, _FRAME)) / SAMPLE_RATE
    impulses = np.diff(np.floor(cycles), prepend=0.0)  # one per cycle
    damping = np.exp(-2 * np.pi * rng.uniform(50, 800) / SAMPLE_RATE)
    glottis = 30 * scipy.signal.lfilter([1 - damping], [1, -damping], impulses)
    breath = rng.normal(size=WINDOW_SAMPLES)
    whispered = rng.choice([0.02, 0.1, 1.0], p=[0.5, 0.35, 0.15])
    source = np.repeat(voiced, _FRAME) * ((1 - whispered) * glottis + 0.3 * whispered * breath)
    spoken = _resonating(source, formants)
    hiss = scipy.signal.lfilter([1, -0.95], [1, rng.uniform(-0.2, 0.8)], breath) * np.repeat(
        hissed, _FRAME
    )
    sound: Sound = spoken / max(float(np.abs(spoken).max()), _TINY) + rng.uniform(0.02, 0.2) * hiss
    return sound


def _steady_tones(rng: np.random.Generator) -> Sound:
    """One to three steady sines, as of test signals, telephones and mains hum."""
    sound = np.zeros(WINDOW_SAMPLES)
    for _ in range(rng.integers(1, 4)):
        frequency = np.exp(rng.uniform(np.log(40), np.log(6000)))
        phase = 2 * np.pi * rng.random()
        sound += rng.uniform(0.3, 1) * np.sin(2 * np.pi * frequency * _TIME + phase)
    return sound


def _articulation(frames: int, rng: np.random.Generator) -> tuple[Sound, Sound, Sound]:
    """Return formants in Hz, (frames, 4), and the levels of voice and hisses, (frames,) each."""
    size = rng.uniform(0.9, 1.3)  # of formants: from men's to children's
    rate = rng.uniform(3, 7)  # syllables a second
    ends, vowels = [0.0], [rng.choice(_VOWELS)]
    voiced, hissed = np.zeros(frames), np.zeros(frames)
    while ends[-1] < frames:
        length = rng.uniform(0.6, 1.5) * SAMPLE_RATE / _FRAME / rate
        first, last = int(ends[-1]), int(ends[-1] + length)
        if rng.random() < 0.85:  # no pause
            onset = first + int(rng.uniform(0, 0.4) * length)
            hissed[first:onset] = rng.choice([0.0, 1.0])
            vowel = voiced[onset:last]  # the last one may be cut off
            vowel[:] = rng.uniform(0.4, 1) * np.sqrt(np.hanning(len(vowel) + 2)[1:-1])
        ends.append(ends[-1] + length)
        vowels.append(rng.choice(_VOWELS))
    glides = [np.interp(np.arange(frames), ends, formant) for formant in np.transpose(vowels)]
    return size * np.stack([*glides, np.full(frames, _FOURTH)], axis=1), voiced, hissed


def _resonating(source: Sound, formants: Sound) -> Sound:
    """Filter the source by resonators that change every frame. formants: (frames, 4)."""
    sound = source.copy()
    for centers, width in zip(formants.T, _BANDWIDTHS, strict=True):
        radius, state = np.exp(-np.pi * width / SAMPLE_RATE), np.zeros(2)
        for frame, center in enumerate(centers):
            part = slice(frame * _FRAME, (frame + 1) * _FRAME)
            poles = [1, -2 * radius * np.cos(2 * np.pi * center / SAMPLE_RATE), radius**2]
            sound[part], state = scipy.signal.lfilter([sum(poles)], poles, sound[part], zi=state)
    return sound


_KINDS: Mapping[str, Callable[[np.random.Generator], Sound]] = {
    "noise": _noise,
    "tones": _tones,
    "pulses": _pulses,
    "speech-like": _speech,
    "steady tones": _steady_tones,
}
