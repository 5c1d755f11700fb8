"""Decode windows at given seconds of an open file, by seeking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


def decode_windows(
    container: InputContainer, stream: AudioStream, starts: NDArray[np.float64]
) -> NDArray[np.float32] | None:
    """Return windows at some seconds, or None if a seek fails.

    Returns
    -------
    (windows, WINDOW_SAMPLES), mono at `SAMPLE_RATE`
    """
    excerpts: list[_Excerpt] = []
    try:
        for start in starts.tolist():
            excerpt = _decode_excerpt(container, stream, start)
            if excerpt is None:
                return None
            excerpts.append(excerpt)
    except av.error.FFmpegError:
        return None
    return _resample_excerpts(excerpts)


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
