"""Decode windows at given seconds of an open file, by seeking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, dropwhile
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

import av.error
import numpy as np
from numpy.typing import NDArray

from genremodel.audio.decoding import Resampler, frame_end, frames, mono, stream_start
from genremodel.audio.params import SAMPLE_RATE, WINDOW_SAMPLES, WINDOW_SECONDS

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container.input import InputContainer

# Largest error, in seconds, of a seek or of a duration in the header.
TOLERANCE = 1.0
# Codecs with memory (the bit reservoir of MP3, the overlap of AAC and Opus) need some packets
# before their output is right: decoding starts this many seconds before a window.
_PREROLL = 0.1
# Decoded after the end of a window, in seconds: the resampler looks ahead.
_POSTROLL = 0.01


class WindowDecoder:
    """Decodes windows of an open file.

    They are resampled as one signal, because setting up FFmpeg's filters takes longer than using
    them. Each excerpt starts where an output sample falls on an input sample, so that the result is
    the same as by itself, except in the first millisecond of a window that starts with a frame.
    """

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._container = container
        self._stream = stream
        self._resampler: Resampler | None = None
        self._rate = 0  # of the resampler's input, in Hz
        self._pending = 0  # samples that the resampler has not returned yet

    def decode(self, starts: NDArray[np.float64]) -> NDArray[np.float32] | None:
        """Return windows at some seconds, or None if a seek fails.

        Returns
        -------
        (windows, WINDOW_SAMPLES), mono at `SAMPLE_RATE`
        """
        windows = np.empty((len(starts), WINDOW_SAMPLES), np.float32)
        try:
            for window, start in zip(windows, starts.tolist(), strict=True):
                excerpt = _decode_excerpt(self._container, self._stream, start)
                if excerpt is None or not self._resample(excerpt, window):
                    return None
        except av.error.FFmpegError:
            return None
        return windows

    def _resample(self, excerpt: _Excerpt, window: NDArray[np.float32]) -> bool:
        """Fill a window, or return False if the excerpt is too short or of another rate."""
        rate, samples, lead_in = excerpt
        if self._resampler is None:
            self._resampler, self._rate = Resampler(rate), rate
        if rate != self._rate or lead_in + WINDOW_SECONDS > len(samples) / rate:
            return False
        period = rate // gcd(rate, SAMPLE_RATE)
        samples = np.pad(samples, (0, -len(samples) % period))
        output = self._resampler.feed(samples)
        begin = self._pending + round(lead_in * SAMPLE_RATE)
        self._pending += len(samples) * SAMPLE_RATE // rate - len(output)
        if len(output) < begin + WINDOW_SAMPLES:  # the file ends here
            output = np.concatenate([output, self._resampler.flush()])
            self._resampler, self._pending = None, 0
        window[:] = output[begin : begin + WINDOW_SAMPLES]
        return True


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
    if first is None or first.time is None or first.time > wanted + TOLERANCE:
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
