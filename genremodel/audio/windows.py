"""Choose 3-second windows of a track and decode them, by seeking or by a sequential pass."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genremodel.audio.decoding import (
    ESTIMATED_DURATION_FORMATS,
    AudioSource,
    PathLike,
    as_file,
    decoding_errors,
    frames,
    header_duration,
    open_audio,
    read_duration,
    resampled,
)
from genremodel.audio.excerpts import TOLERANCE, WindowDecoder
from genremodel.audio.params import (
    MIN_SAMPLES,
    SAMPLE_RATE,
    SILENCE_PEAK,
    WINDOW_SAMPLES,
    WINDOW_SECONDS,
)
from genremodel.audio.places import (
    DEFAULT_WINDOWS,
    chosen_places,
    evenly_spaced,
    needed_places,
)
from genremodel.errors import AudioError

# A sequential pass keeps this many windows in memory, or twice the wanted number.
_MAX_HELD = 64
# Silence is skipped in steps of 0.1 s.
_STEP = WINDOW_SAMPLES // 30  # samples
# Windows with less than this share of the sound of the fullest window are mostly silence after a
# passage, and left out.
_MIN_SHARE = 0.75


@dataclass(frozen=True)
class Windows:
    """Windows of a track.

    Parameters
    ----------
    starts : (windows,)
        Seconds from the start of the track, ascending.
    samples : (windows, WINDOW_SAMPLES)
        Mono at `SAMPLE_RATE`, in [-1, 1].
    decoded : (places,), optional
        True for the places of the track that the windows are at. By default, they are at all.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, WINDOW_SAMPLES)).astype(np.float32)
    >>> noise[1] = 0
    >>> Windows(np.array([0.0, 3.0]), noise).audible.tolist()
    [True, False]
    """

    starts: NDArray[np.float64]
    samples: NDArray[np.float32]
    decoded: NDArray[np.bool_] | None = None

    @property
    def places(self) -> NDArray[np.bool_]:
        """(places,) True for the places that the windows are at."""
        return np.ones(len(self.starts), np.bool_) if self.decoded is None else self.decoded

    @property
    def audible(self) -> NDArray[np.bool_]:
        """(windows,) False where a window is digital silence."""
        return _is_audible(self.samples)


def read_windows(
    source: AudioSource, places: int = DEFAULT_WINDOWS, count: int | None = None
) -> Windows:
    """Decode windows that are evenly spaced over an audio file.

    If most of them are silent and the track is long enough to have other windows, windows of its
    audible passages are returned instead.

    Parameters
    ----------
    source : path, file object or (samples, sample_rate)
        The audio. File objects are binary and seekable. Samples are of shape (samples,) or
        (channels, samples): floats in [-1, 1], or integers of the full range of their type.
    places : int
        The number of windows, at least 1. Tracks too short for windows at least a second apart have
        fewer. A track shorter than a window is repeated to fill one, as in the training of
        musicnn. A track shorter than `MIN_SECONDS` has none.
    count : int, optional
        Return only the windows at so many `chosen_places`, at least 1, or all windows if one of the
        `needed_places` is silent.

    Returns
    -------
    Windows

    Raises
    ------
    AudioError
        If nothing can be decoded.
    ValueError
        If the count is less than 1, or samples have another shape.
    """
    count = places if count is None else count
    with closing(read_in_parts(source, places, (count,))) as parts:
        return _choose(next(parts), count)


def read_in_parts(
    source: AudioSource, places: int, counts: Sequence[int], known: ArrayLike = ()
) -> Generator[Windows]:
    """Decode windows in parts, each when it is asked for, and the file opened once.

    Parameters
    ----------
    source, places
        See `read_windows`.
    counts : sequence of int
        The numbers of windows after each part, ascending.
    known : (windows,), optional
        The starts of audible windows that need not be decoded again.

    Yields
    ------
    Windows
        Those at the `needed_places` of a count that are not known and in no part before. If the
        right ones depend on the rest of the track: all windows, as the last part.

    Raises
    ------
    AudioError, ValueError
        As `read_windows`.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=60 * 16_000)
    >>> [len(part.starts) for part in read_in_parts((noise, 16_000), 10, (3, 10))]
    [3, 7]
    """
    if min(places, *counts) < 1:
        raise ValueError("at least one window is needed")
    file = as_file(source)
    with decoding_errors():
        sought = _seek_in_parts(file, places, counts, known)
        for count, windows in zip(counts, sought, strict=False):
            if windows and count < len(windows.places) and not windows.audible.all():
                windows = seek_windows(file, places)
            if windows is None or _mostly_silent(windows):
                windows = scan_windows(file, places)
            yield windows
            if windows.places.all():
                return


def seek_windows(file: PathLike | BinaryIO, places: int) -> Windows | None:
    """Decode evenly spaced windows by seeking.

    Returns None if only a sequential pass gives the right result, or is faster.
    """
    with closing(_seek_in_parts(file, places, (places,))) as parts:
        return next(parts)


def _seek_in_parts(
    file: PathLike | BinaryIO, places: int, counts: Iterable[int], known: ArrayLike = ()
) -> Generator[Windows | None]:
    """Yield the windows of `read_in_parts` by seeking, or None as `seek_windows` does."""
    container, stream = open_audio(file)
    with container:
        duration = header_duration(stream)
        starts = np.empty(0) if duration is None else _window_starts(duration, places)
        missing = ~np.isin(starts, known)
        is_estimated = container.format.name in ESTIMATED_DURATION_FORMATS and missing.all()
        decoder = WindowDecoder(container, stream)
        for count in counts:
            needed = needed_places(count, len(starts))
            if duration is None or duration <= needed.sum() * WINDOW_SECONDS:
                yield None  # the windows cover the track: one pass is faster
                return
            decoded = needed & missing
            missing &= ~decoded
            samples = decoder.decode(starts[decoded])
            if samples is not None and is_estimated:
                if abs(read_duration(container, stream) - duration) > TOLERANCE:
                    samples = None
                is_estimated = False
            yield None if samples is None else Windows(starts[decoded], samples, decoded)


def _choose(windows: Windows, count: int) -> Windows:
    """Return so many of the windows, or all if some of those that are needed are silent."""
    total = len(windows.places)
    if count >= total:  # without a copy, whose page faults would take a tenth of the analysis
        return windows
    if not windows.audible[needed_places(count, total)[windows.places]].all():
        return windows
    chosen = np.isin(np.arange(total), chosen_places(count, total))
    rows = chosen[windows.places]
    return Windows(windows.starts[rows], windows.samples[rows], chosen)


def scan_windows(file: PathLike | BinaryIO, count: int) -> Windows:
    """Decode a whole track once and return windows of it, in bounded memory."""
    limit = max(_MAX_HELD, 2 * count)
    evenly, passages = _Sampler(limit), _AudiblePassages(limit)
    total, rest = 0, np.empty(0, np.float32)
    container, stream = open_audio(file)
    with container:
        for chunk in resampled(frames(container, stream)):
            passages.feed(chunk)
            rest = np.concatenate([rest, chunk])
            while len(rest) >= WINDOW_SAMPLES:
                window, rest = rest[:WINDOW_SAMPLES], rest[WINDOW_SAMPLES:]
                evenly.add(total, window)
                total += 1
    if not total and not len(rest):
        raise AudioError("no audio could be decoded")
    windows = _evenly_spaced_windows(evenly, rest, total, count)
    if total < count or not _mostly_silent(windows):
        return windows
    passages.end()
    return passages.windows(count) or windows


def _is_audible(samples: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where windows are not digital silence: (windows, samples) to (windows,).

    Silence may have an offset: 8 bits cannot express zero, and some converters add one.
    """
    audible: NDArray[np.bool_] = np.ptp(samples, axis=1) > 2 * SILENCE_PEAK
    return audible


def _audible_share(window: NDArray[np.float32]) -> float:
    """Return the share of a window that is not silent."""
    return float(_is_audible(window.reshape(-1, _STEP)).mean())


def _mostly_silent(windows: Windows) -> bool:
    """Return True if most windows of a track are silent. Those that were left out are audible."""
    return 2 * int((~windows.audible).sum()) > len(windows.places)


def _window_starts(duration: float, count: int) -> NDArray[np.float64]:
    """Return the starts of windows in the middle of equal parts of a track, in seconds."""
    room = max(duration - WINDOW_SECONDS, 0.0)
    count = min(count, int(room) + 1)
    return (np.arange(count) + 0.5) * room / count


class _Sampler:
    """Every n-th window of a sequence of unknown length, in bounded memory.

    When it holds more than the limit, it drops every second window and doubles the stride n.
    """

    def __init__(self, limit: int) -> None:
        self.held: list[tuple[float, NDArray[np.float32]]] = []
        self.stride = 1
        self._limit = limit
        self._seen = 0

    def add(self, index: float, samples: NDArray[np.float32]) -> None:
        """Add the next window. index: its start in the track, in windows."""
        if self._seen % self.stride == 0:
            self.held.append((index, samples))
        self._seen += 1
        if len(self.held) > self._limit:
            self.held, self.stride = self.held[::2], self.stride * 2

    def windows(self, chosen: Iterable[int]) -> Windows:
        """Return the held windows at some positions."""
        indices, samples = zip(*(self.held[position] for position in chosen), strict=True)
        return Windows(np.array(indices) * WINDOW_SECONDS, np.stack(samples))


class _AudiblePassages:
    """Windows of the audible passages of a track. The first of a passage starts with its sound."""

    def __init__(self, limit: int) -> None:
        self._sampler = _Sampler(limit)
        self._rest = np.empty(0, np.float32)
        self._start = 0  # of the rest, in samples

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples of the track."""
        self._rest = np.concatenate([self._rest, samples])
        self._skip_silence()
        while len(self._rest) >= WINDOW_SAMPLES:
            self._sampler.add(self._start / WINDOW_SAMPLES, self._rest[:WINDOW_SAMPLES])
            self._skip(WINDOW_SAMPLES)
            self._skip_silence()

    def end(self) -> None:
        """Fill a last window with the rest of the track."""
        if len(self._rest) and _is_audible(self._rest[np.newaxis]).any():
            missing = WINDOW_SAMPLES - len(self._rest)
            last = np.pad(self._rest, (0, missing), mode="edge")  # keeps an offset, if any
            self._sampler.add(self._start / WINDOW_SAMPLES, last)

    def windows(self, count: int) -> Windows | None:
        """Return up to `count` windows, evenly spaced, or None if there are none."""
        shares = [_audible_share(samples) for _, samples in self._sampler.held]
        if not shares:
            return None
        enough = _MIN_SHARE * max(shares)
        full = [position for position, share in enumerate(shares) if share >= enough]
        return self._sampler.windows(evenly_spaced(np.array(full), count))

    def _skip_silence(self) -> None:
        whole = len(self._rest) // _STEP * _STEP
        audible = _is_audible(self._rest[:whole].reshape(-1, _STEP))
        self._skip(int(audible.argmax()) * _STEP if audible.any() else whole)

    def _skip(self, samples: int) -> None:
        self._rest = self._rest[samples:]
        self._start += samples


def _evenly_spaced_windows(
    sampler: _Sampler, rest: NDArray[np.float32], total: int, count: int
) -> Windows:
    """Return evenly spaced windows of a track of `total` full windows and a rest."""
    if sampler.stride == 1:  # the whole track is held: cut exactly
        track = np.concatenate([*(window for _, window in sampler.held), rest])
        if len(track) < MIN_SAMPLES:
            return Windows(np.empty(0), np.empty((0, WINDOW_SAMPLES), np.float32))
        if len(track) < WINDOW_SAMPLES:
            return Windows(np.zeros(1), np.resize(track, (1, WINDOW_SAMPLES)))
        starts = _window_starts(len(track) / SAMPLE_RATE, count)
        first = np.round(starts * SAMPLE_RATE).astype(int)
        return Windows(starts, np.stack([track[i : i + WINDOW_SAMPLES] for i in first]))
    starts = _window_starts((total * WINDOW_SAMPLES + len(rest)) / SAMPLE_RATE, count)
    # Not np.round, which rounds 0.5 and 1.5 to 0 and 2: a window would be chosen twice.
    nearest = np.floor(starts / (sampler.stride * WINDOW_SECONDS) + 0.5).astype(int)
    return sampler.windows(nearest.clip(0, len(sampler.held) - 1))
