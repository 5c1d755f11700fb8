"""How long tracks of several parts are predicted: music, silence, speech and noise.

The tracks are assembled from the audio that the bundled model was fitted on, so the figures
describe its behavior, not its accuracy. The songs are those that it predicts correctly and
confidently when they are alone: where it abstains or errs on a song, it does on a track with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import scipy  # its subpackages are imported when they are used
from numpy.typing import NDArray

from genremodel import GenreClassifier, Prediction
from genremodel.audio.decoding import frames, open_audio, resampled
from genremodel.audio.params import SAMPLE_RATE
from training.corpus import Corpus
from training.datasets.nonmusic_recordings import SPEECH
from training.datasets.track import DataError

TRACKS = 30  # of each row
MIN_CONFIDENCE = 0.8  # of the prediction of a song that tracks are assembled from

_MOST_GENRES = 3  # of a track
_SONG_SECONDS = 10.0  # shorter files are excerpts of songs
_SECONDS = (180.0, 360.0)  # length of a track
_HIDDEN_SILENCE = 1200.0  # seconds
_SHORT_MUSIC = (60.0, 240.0)  # seconds
_NOISE_SHARE = (0.1, 0.3)
_LEVEL = 0.1  # root mean square of noise
_CLAPS = 300  # a second

Sound: TypeAlias = NDArray[np.float32]
Songs: TypeAlias = dict[str, list[Sound]]  # by genre


@dataclass(frozen=True)
class LongTrack:
    """Samples at `SAMPLE_RATE`, and the genres in them, the one with the largest part first."""

    samples: Sound
    genres: tuple[str, ...] = ()


class Sounds:
    """What tracks are assembled from.

    rng: chooses the songs, their order and their lengths.
    """

    def __init__(self, songs: Songs, speech: list[Sound], rng: np.random.Generator) -> None:
        self.rng = rng
        self._songs, self._speech = songs, speech

    def genres(self, count: int) -> list[str]:
        """Return different genres."""
        return [str(name) for name in self.rng.choice([*self._songs], count, replace=False)]

    def music(self, genre: str, seconds: float) -> Sound:
        """Return songs of a genre, one after the other."""
        return self._medley(self._songs[genre], seconds)

    def speech(self, seconds: float) -> Sound:
        """Return sentences, one after the other."""
        return self._medley(self._speech, seconds)

    def noise(self, seconds: float) -> Sound:
        """Return noise that falls by up to 6 dB per octave."""
        sound = self.rng.normal(size=_samples(seconds))
        return _leveled(scipy.signal.lfilter([1.0], [1.0, -self.rng.uniform(0, 0.95)], sound))

    def applause(self, seconds: float) -> Sound:
        """Return the claps of many hands: short bursts of noise at random times, swelling."""
        count = _samples(seconds)
        claps = self.rng.random(count) < _CLAPS / SAMPLE_RATE
        strength = self.rng.exponential(size=count) * claps
        pole = np.exp(-1 / (0.005 * SAMPLE_RATE))
        sound = scipy.signal.lfilter([1.0], [1.0, -pole], strength) * self.rng.normal(size=count)
        swell = np.interp(np.linspace(0, 1, count), [0, 0.2, 0.7, 1], [0.3, 1, 1, 0.1])
        return _leveled(sound * swell)

    def silence(self, seconds: float) -> Sound:
        """Return digital silence."""
        return np.zeros(_samples(seconds), np.float32)

    def _medley(self, sounds: list[Sound], seconds: float) -> Sound:
        parts: list[Sound] = []
        while sum(map(len, parts)) < _samples(seconds):
            parts += [sounds[index] for index in self.rng.permutation(len(sounds))]
        return np.concatenate(parts)[: _samples(seconds)]


def _samples(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE)


def _leveled(sound: NDArray[np.float64]) -> Sound:
    level = _LEVEL / np.sqrt(np.mean(sound**2))
    return (sound * level).clip(-1, 1).astype(np.float32)


def _mostly_music(other: Callable[[Sounds, float], Sound], sounds: Sounds) -> LongTrack:
    """Return music with another sound before it, after it, or in the middle."""
    rng = sounds.rng
    seconds, share = rng.uniform(*_SECONDS), rng.uniform(*_NOISE_SHARE)
    (genre,) = sounds.genres(1)
    music = sounds.music(genre, seconds * (1 - share))
    cut = rng.choice([0, len(music) // 2, len(music)])
    parts = [music[:cut], other(sounds, seconds * share), music[cut:]]
    return LongTrack(np.concatenate(parts), (genre,))


def _several_genres(shares: Sequence[float], sounds: Sounds) -> LongTrack:
    """Return music of several genres, in random order. shares: of the genres, descending."""
    seconds = sounds.rng.uniform(*_SECONDS)
    genres = sounds.genres(len(shares))
    parts = [sounds.music(*part) for part in zip(genres, np.multiply(shares, seconds), strict=True)]
    order = sounds.rng.permutation(len(parts))
    return LongTrack(np.concatenate([parts[index] for index in order]), tuple(genres))


def _only(sound: Callable[[Sounds, float], Sound], sounds: Sounds) -> LongTrack:
    return LongTrack(sound(sounds, sounds.rng.uniform(*_SECONDS)))


def _hidden_track(sounds: Sounds) -> LongTrack:
    (genre,) = sounds.genres(1)
    first, hidden = (
        sounds.music(genre, seconds) for seconds in sounds.rng.uniform(*_SHORT_MUSIC, size=2)
    )
    samples = np.concatenate([first, sounds.silence(_HIDDEN_SILENCE), hidden])
    return LongTrack(samples, (genre,))


# Outcomes of a prediction.
LARGEST, SMALLER, OTHER = "largest genre", "smaller genre", "other genre"
ABSTAINED, NOT_MUSIC = "abstained", "not music"
OUTCOMES = (LARGEST, SMALLER, OTHER, ABSTAINED, NOT_MUSIC)


@dataclass(frozen=True)
class Row:
    """A kind of track. At least the share `bar` of them must have one of the outcomes."""

    assemble: Callable[[Sounds], LongTrack]
    outcomes: tuple[str, ...]
    bar: float = 1.0

    def expected(self, counts: Counter[str]) -> int:
        """Return how many tracks have one of the outcomes."""
        return sum(counts[each] for each in self.outcomes)


# A part of applause votes for another genre, so that the confidence in the music may be too low.
ROWS = {
    "one genre, up to 30% silence": Row(partial(_mostly_music, Sounds.silence), (LARGEST,)),
    "one genre, up to 30% speech": Row(partial(_mostly_music, Sounds.speech), (LARGEST,)),
    "one genre, up to 30% applause": Row(partial(_mostly_music, Sounds.applause), (LARGEST,), 0.9),
    "two genres by halves": Row(partial(_several_genres, (1 / 2,) * 2), (ABSTAINED,), 0.9),
    "three genres by thirds": Row(partial(_several_genres, (1 / 3,) * 3), (ABSTAINED,), 0.9),
    "two genres, 80% and 20%": Row(partial(_several_genres, (0.8, 0.2)), (LARGEST, ABSTAINED)),
    "speech alone": Row(partial(_only, Sounds.speech), (NOT_MUSIC,)),
    "noise alone": Row(partial(_only, Sounds.noise), (NOT_MUSIC,)),
    "applause alone": Row(partial(_only, Sounds.applause), (NOT_MUSIC,)),
    "song, 20 minutes of silence, song": Row(_hidden_track, (LARGEST,)),
}


def outcome(prediction: Prediction, genres: Sequence[str]) -> str:
    """Return the outcome of a prediction for a track with these genres."""
    if prediction.genre is None:
        return NOT_MUSIC if prediction.reason == NOT_MUSIC else ABSTAINED
    if prediction.genre not in genres:
        return OTHER
    return LARGEST if prediction.genre == genres[0] else SMALLER


def read_samples(path: Path) -> Sound:
    """Return a whole file as mono at `SAMPLE_RATE`."""
    container, stream = open_audio(path)
    with container:
        return np.concatenate([*resampled(frames(container, stream))])


def read_sounds(corpus: Corpus, classifier: GenreClassifier) -> tuple[Songs, list[Sound]]:
    """Return the songs by genre, and the speech. Raises DataError if there are too few genres."""
    songs: Songs = {}
    for track in corpus.files:
        sound = read_samples(track.path)
        if len(sound) < _samples(_SONG_SECONDS):
            continue
        prediction = classifier.predict((sound, SAMPLE_RATE))
        if prediction.genre == track.genre and (prediction.confidence or 0.0) >= MIN_CONFIDENCE:
            songs.setdefault(track.genre, []).append(sound)
    speech = [read_samples(track.path) for track in corpus.recordings if track.genre == SPEECH]
    if len(songs) < _MOST_GENRES or not speech:
        raise DataError("too little music is predicted confidently, or there is no speech")
    return songs, speech


def count_outcomes(
    name: str, songs: Songs, speech: list[Sound], classifier: GenreClassifier, tracks: int = TRACKS
) -> Counter[str]:
    """Return the number of tracks of a row with each outcome.

    Fewer tracks are the first of more.
    """
    sounds = Sounds(songs, speech, np.random.default_rng([*ROWS].index(name)))
    made = (ROWS[name].assemble(sounds) for _ in range(tracks))
    return Counter(
        outcome(classifier.predict((track.samples, SAMPLE_RATE)), track.genres) for track in made
    )


def table(corpus: Corpus, tracks: int = TRACKS) -> str:
    """Return a Markdown table of the outcomes of all rows. Raises DataError."""
    classifier = GenreClassifier()
    songs, speech = read_sounds(corpus, classifier)
    lines = [
        f"{sum(map(len, songs.values()))} songs of {len(songs)} genres, each predicted correctly "
        f"with a confidence of at least {MIN_CONFIDENCE} when alone",
        "",
        f"| track | n | {' | '.join(OUTCOMES)} | expected | bar |",
        f"|---|{'---:|' * (len(OUTCOMES) + 3)}",
    ]
    for name, row in ROWS.items():
        counts = count_outcomes(name, songs, speech, classifier, tracks)
        numbers = [tracks, *(counts[each] for each in OUTCOMES), row.expected(counts)]
        lines.append(f"| {name} | {' | '.join(map(str, numbers))} | {row.bar:.0%} |")
    return "\n".join(lines)
