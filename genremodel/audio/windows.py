"""Choose 3-second windows of a track and decode them, by seeking or by a sequential pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, dropwhile
from math import gcd
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import av.error
import numpy as np
from numpy.typing import NDArray

from genremodel.audio.decoding import (
    ESTIMATED_DURATION_FORMATS,
    AudioSource,
    PathLike,
    Resampler,
    as_file,
    decoding_errors,
    frame_end,
    frames,
    header_duration,
    mono,
    open_audio,
    read_duration,
    resampled,
    stream_start,
)
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

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container.input import InputContainer


# Codecs with memory (the bit reservoir of MP3, the overlap of AAC and Opus) need some packets
# before their output is right: decoding starts this many seconds before a window.
_PREROLL = 0.1
# Decoded after the end of a window, in seconds: the resampler looks ahead.
_POSTROLL = 0.01
# Largest error, in seconds, of a seek or of a duration in the header.
_TOLERANCE = 1.0
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
    if min(places, count) < 1:
        raise ValueError("at least one window is needed")
    file = as_file(source)
    with decoding_errors():
        windows = seek_windows(file, places, count)
        if windows and not windows.places.all() and not windows.audible.all():
            windows = seek_windows(file, places)
        if windows is None or _mostly_silent(windows):
            windows = scan_windows(file, places)
    return _choose(windows, count)


def seek_windows(
    file: PathLike | BinaryIO, places: int, count: int | None = None
) -> Windows | None:
    """Decode evenly spaced windows by seeking.

    With a count, only those at the `needed_places` are decoded.
    Returns None if only a sequential pass gives the right result, or is faster.
    """
    container, stream = open_audio(file)
    with container:
        duration = header_duration(stream)
        if duration is None:
            return None
        starts = _window_starts(duration, places)
        decoded = needed_places(places if count is None else count, len(starts))
        if duration <= decoded.sum() * WINDOW_SECONDS:
            return None  # the windows cover the track: one pass is faster
        starts = starts[decoded]
        excerpts: list[_Excerpt] = []
        try:
            for start in starts:
                excerpt = _decode_excerpt(container, stream, float(start))
                if excerpt is None:
                    return None
                excerpts.append(excerpt)
            is_estimated = container.format.name in ESTIMATED_DURATION_FORMATS
            if is_estimated and abs(read_duration(container, stream) - duration) > _TOLERANCE:
                return None
        except av.error.FFmpegError:
            return None
    samples = _resample_excerpts(excerpts)
    return None if samples is None else Windows(starts, samples, decoded)


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
    return 2 * int(windows.audible.sum()) < len(windows.starts)


def _window_starts(duration: float, count: int) -> NDArray[np.float64]:
    """Return the starts of windows in the middle of equal parts of a track, in seconds."""
    room = max(duration - WINDOW_SECONDS, 0.0)
    count = min(count, int(room) + 1)
    return (np.arange(count) + 0.5) * room / count


class _Excerpt(NamedTuple):
    """Decoded mono samples around a window. lead_in: seconds before the window starts."""

    rate: int
    samples: NDArray[np.float32]
    lead_in: float


def _decode_excerpt(
    container: InputContainer, stream: AudioStream, start: float
) -> _Excerpt | None:
    """Return the window at `start` seconds and a little more, or None if the seek fails."""
    assert stream.time_base is not None
    wanted = start + stream_start(stream)
    container.seek(int(max(wanted - _PREROLL, 0.0) / stream.time_base), stream=stream)
    following = dropwhile(lambda frame: frame_end(frame) <= wanted, frames(container, stream))
    first = next(following, None)
    if first is None or first.time is None or first.time > wanted + _TOLERANCE:
        return None
    lead_in = max(wanted - first.time, 0.0)
    decoded = _take_seconds(chain([first], following), lead_in + WINDOW_SECONDS + _POSTROLL)
    rates, samples = zip(*mono(decoded), strict=True)
    return _Excerpt(rates[0], np.concatenate(samples), lead_in) if len({*rates}) == 1 else None


def _take_seconds(frames: Iterable[AudioFrame], seconds: float) -> Iterator[AudioFrame]:
    """Yield frames up to a total duration."""
    for frame in frames:
        yield frame
        seconds -= frame.samples / frame.sample_rate
        if seconds <= 0:
            return


def _resample_excerpts(excerpts: Sequence[_Excerpt]) -> NDArray[np.float32] | None:
    """Return the windows at `SAMPLE_RATE`, or None if one is too short or of another rate.

    They are resampled as one signal, because setting up FFmpeg's filters takes longer than using
    them. Each excerpt starts where an output sample falls on an input sample, so that the result is
    the same as by itself.
    """
    rate = excerpts[0].rate
    ends = [excerpt.lead_in + WINDOW_SECONDS for excerpt in excerpts]
    if any(
        excerpt.rate != rate or end > len(excerpt.samples) / rate
        for excerpt, end in zip(excerpts, ends, strict=True)
    ):
        return None
    period = rate // gcd(rate, SAMPLE_RATE)
    padding = [-len(excerpt.samples) % period for excerpt in excerpts]
    resampler = Resampler(rate)
    outputs = [
        resampler.feed(np.pad(excerpt.samples, (0, missing)))
        for excerpt, missing in zip(excerpts, padding, strict=True)
    ]
    signal = np.concatenate([*outputs, resampler.flush()])
    lengths = [len(excerpt.samples) for excerpt in excerpts]
    bounds = np.cumsum(np.add(lengths, padding))[:-1] * SAMPLE_RATE // rate
    skips = [round(excerpt.lead_in * SAMPLE_RATE) for excerpt in excerpts]
    parts = zip(np.split(signal, bounds), skips, strict=True)
    return np.stack([part[skip : skip + WINDOW_SAMPLES] for part, skip in parts])


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
