"""Any audio file to evenly spaced 3-second windows of 16 kHz mono.

PyAV, because its wheel carries FFmpeg: every format that beets can tag decodes after a plain
`pip install`, on three systems, and one path of code serves them all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, dropwhile, groupby
from math import gcd, inf
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import av
import av.error
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from genremodel.audio.params import (
    DEFAULT_WINDOWS,
    SAMPLE_RATE,
    SHORTEST_SAMPLES,
    SILENCE_PEAK,
    WINDOW_SAMPLES,
    WINDOW_SECONDS,
)
from genremodel.audio.spacing import evenly_spaced
from genremodel.errors import AudioError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container.input import InputContainer
    from av.packet import Packet

PathLike: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

# Codecs with memory (the bit reservoir of MP3, the overlap of AAC and Opus) need a few packets
# before their output is right: decoding starts this much before a window, in seconds.
_PREROLL = 0.1
# How far from the wanted place a seek may land, and a length be wrong, before it is distrusted.
_TOLERANCE = 1.0  # s
# Bare streams of frames: without a header that tells, FFmpeg guesses their length from the bitrate.
GUESSED_LENGTH = {"mp3", "aac"}
# Decoded beyond the end of a window, in seconds: the resampler looks ahead.
_POSTROLL = 0.01
# Samples that frames are joined to: to average and resample every 20 ms by itself is slow.
_BATCH = 1 << 16
# FFmpeg's names of the formats that beets can tag, and of raw AAC. Of the other hundreds, some are
# lists that name other files, streams or devices to be opened, whatever the file itself is called.
_FORMATS = (
    "mp3", "flac", "ogg", "mov", "aac", "wav", "aiff", "wv", "asf", "dsf", "mpc", "mpc8", "ape",
)  # fmt: skip
_OPTIONS: dict[str, Any] = {
    "options": {
        "format_whitelist": ",".join(_FORMATS),
        "protocol_whitelist": "file",
        # Of a WAV file FFmpeg would read 5 MB to see whether it is DTS in disguise.
        "probesize": str(1 << 16),
    }
}
# Tags that are not UTF-8 must not stop the decoding; from PyAV 19 on they never do.
if int(av.__version__.partition(".")[0]) < 19:
    _OPTIONS["metadata_errors"] = "ignore"
# Lower sampling rates than any music has; what the file then claims to last would fill the memory.
_LOWEST_RATE = 1000  # Hz
# Float files can hold NaN, infinity, and what is as good as that: 60 dB over full scale.
_LOUDEST = 1000.0
# A sequential pass holds so many windows, or twice those wanted, however long the track is.
_MAX_HELD = 64
_PART = WINDOW_SAMPLES // 30  # samples, 0.1 s: so long are parts of windows that may be silent
# Windows with less sound than this, of the sound in the fullest one, are left out: the silence
# behind a passage is no music.
_TELLING = 0.75


@dataclass(frozen=True)
class Windows:
    """The windows of one track.

    starts: (n,) seconds from the beginning of the track, ascending.
    samples: (n, WINDOW_SAMPLES) float32, 16 kHz mono.
    """

    starts: NDArray[np.float64]
    samples: NDArray[np.float32]

    @property
    def audible(self) -> NDArray[np.bool_]:
        """(n,) False where a window is digital silence."""
        return _audible(self.samples)


def _audible(samples: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where windows are not digital silence: (n, samples) to (n,).

    Silence may have an offset, as 8 bits cannot express zero, and some converters add one.
    """
    loud: NDArray[np.bool_] = np.ptp(samples, axis=1) > 2 * SILENCE_PEAK
    return loud


def read_windows(path: PathLike, count: int = DEFAULT_WINDOWS) -> Windows:
    """Decode `count` windows spread evenly over the audio file at `path`.

    A track too short for windows at least a second apart gives fewer; one shorter than a window
    is repeated until it fills one, as the backbone's own training did; from one of less than
    SHORTEST_SECONDS none is taken. Where most of them are silent, and the track has more than they
    show, they are taken from its audible passages instead: as many, or fewer where there are fewer.

    Raises AudioError when nothing can be decoded.
    """
    if count < 1:
        raise ValueError("at least one window is needed")
    try:
        windows = _seek_windows(path, count)
        if windows is None or _mostly_silent(windows):
            windows = _scan_windows(path, count)
    except (av.error.FFmpegError, OSError) as exc:
        raise AudioError(exc.strerror or str(exc)) from exc
    except ValueError as exc:  # PyAV, of a sample format that it does not know
        raise AudioError(str(exc)) from exc
    return windows


def _mostly_silent(windows: Windows) -> bool:
    return 2 * int(windows.audible.sum()) < len(windows.starts)


def _window_starts(duration: float, count: int) -> NDArray[np.float64]:
    """Return the starts of windows in the middle of equal parts of a track, in seconds."""
    room = max(duration - WINDOW_SECONDS, 0.0)
    count = min(count, int(room) + 1)
    return (np.arange(count) + 0.5) * room / count


def open_audio(path: PathLike) -> tuple[InputContainer, AudioStream]:
    """Open a file and choose the stream to be heard. Raises AudioError, FFmpegError or OSError."""
    try:
        # A relative name such as "a:b.mp3" would be taken for a protocol.
        container = av.open(os.path.abspath(os.fsdecode(path)), **_OPTIONS)  # noqa: PTH100
    except av.error.ArgumentError as exc:
        raise AudioError("not one of the audio formats that can be read") from exc
    stream = container.streams.best("audio")
    if stream is None:
        container.close()
        raise AudioError("no audio stream")
    if stream.codec_context is None:
        container.close()
        raise AudioError("no decoder for its audio")
    return container, stream


def _seek_windows(path: PathLike, count: int) -> Windows | None:
    """Decode the windows alone, or return None where only a sequential pass can be trusted."""
    container, stream = open_audio(path)
    with container:
        if stream.duration is None or stream.time_base is None:
            return None
        duration = float(stream.duration * stream.time_base)
        if duration <= count * WINDOW_SECONDS:
            return None  # the windows cover the track: one pass is quicker than seeks
        starts = _window_starts(duration, count)
        passages: list[_Passage] = []
        try:
            for start in starts:
                passage = _decode_window(container, stream, float(start))
                if passage is None:
                    return None
                passages.append(passage)
            guessed = container.format.name in GUESSED_LENGTH
            if guessed and abs(_end_of_stream(container, stream) - duration) > _TOLERANCE:
                return None
        except av.error.FFmpegError:
            return None
    samples = _resampled(passages)
    return None if samples is None else Windows(starts, samples)


class _Passage(NamedTuple):
    """What was decoded for a window, mono. early: seconds from its beginning to the window's."""

    rate: int
    samples: NDArray[np.float32]
    early: float


def _decode_window(container: InputContainer, stream: AudioStream, start: float) -> _Passage | None:
    """Return the window at `start` seconds and a little more, or None where the seek fails."""
    assert stream.time_base is not None
    wanted = start + _origin(stream)
    container.seek(int(max(wanted - _PREROLL, 0.0) / stream.time_base), stream=stream)
    frames = dropwhile(lambda frame: _end(frame) <= wanted, _frames(container, stream))
    first = next(frames, None)
    if first is None or first.time is None or first.time > wanted + _TOLERANCE:
        return None
    early = max(wanted - first.time, 0.0)
    heard = _lasting(chain([first], frames), early + WINDOW_SECONDS + _POSTROLL)
    rates, samples = zip(*_mono(heard), strict=True)
    return _Passage(rates[0], np.concatenate(samples), early) if len({*rates}) == 1 else None


def _resampled(passages: Sequence[_Passage]) -> NDArray[np.float32] | None:
    """Return the windows at 16 kHz, or None where one is too short or of another rate.

    They are resampled as one signal: to set up FFmpeg's filters takes longer than to use them. Each
    begins where an output falls on an input, so that it is the same as by itself.
    """
    rate = passages[0].rate
    ends = [passage.early + WINDOW_SECONDS for passage in passages]
    if any(
        passage.rate != rate or end > len(passage.samples) / rate
        for passage, end in zip(passages, ends, strict=True)
    ):
        return None
    period = rate // gcd(rate, SAMPLE_RATE)
    padded = [np.pad(passage.samples, (0, -len(passage.samples) % period)) for passage in passages]
    resampler = _Resampler(rate)
    signal = np.concatenate([*map(resampler.feed, padded), resampler.flush()])
    bounds = np.cumsum([len(part) for part in padded])[:-1] * SAMPLE_RATE // rate
    skips = [round(passage.early * SAMPLE_RATE) for passage in passages]
    parts = zip(np.split(signal, bounds), skips, strict=True)
    return np.stack([part[skip : skip + WINDOW_SAMPLES] for part, skip in parts])


class _Blocks:
    """Windows back to back, so few of them that they fit into memory.

    Where there are too many, every second one goes, and from there on only every second one, fourth
    one and so on is held. stride: one of so many is.
    """

    def __init__(self, most: int) -> None:
        self.held: list[tuple[float, NDArray[np.float32]]] = []
        self.stride = 1
        self._most = most
        self._seen = 0

    def add(self, index: float, samples: NDArray[np.float32]) -> None:
        """Hold one more. index: its place in the track, in windows."""
        if self._seen % self.stride == 0:
            self.held.append((index, samples))
        self._seen += 1
        if len(self.held) > self._most:
            self.held, self.stride = self.held[::2], self.stride * 2

    def windows(self, chosen: Iterable[int]) -> Windows:
        """Return some of what is held, by position."""
        indices, samples = zip(*(self.held[position] for position in chosen), strict=True)
        return Windows(np.array(indices) * WINDOW_SECONDS, np.stack(samples))


class _Passages:
    """Windows of the audible passages of a track, each from where the sound begins."""

    def __init__(self, most: int) -> None:
        self._windows = _Blocks(most)
        self._rest = np.empty(0, np.float32)
        self._start = 0  # of the rest, in samples

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Take a part of the signal."""
        self._rest = np.concatenate([self._rest, samples])
        self._skip_silence()
        while len(self._rest) >= WINDOW_SAMPLES:
            self._windows.add(self._start / WINDOW_SAMPLES, self._rest[:WINDOW_SAMPLES])
            self._skip(WINDOW_SAMPLES)
            self._skip_silence()

    def end(self) -> None:
        """Take the rest of the signal."""
        if len(self._rest) and _audible(self._rest[np.newaxis]).any():
            missing = WINDOW_SAMPLES - len(self._rest)
            last = np.pad(self._rest, (0, missing), mode="edge")  # the offset stays, if any
            self._windows.add(self._start / WINDOW_SAMPLES, last)

    def windows(self, count: int) -> Windows | None:
        """Return up to `count` windows, evenly spread, or None if there are none."""
        shares = [_audible_share(samples) for _, samples in self._windows.held]
        if not shares:
            return None
        enough = _TELLING * max(shares)
        telling = [position for position, share in enumerate(shares) if share >= enough]
        return self._windows.windows(evenly_spaced(np.array(telling), count))

    def _skip_silence(self) -> None:
        whole = len(self._rest) // _PART * _PART
        audible = _audible(self._rest[:whole].reshape(-1, _PART))
        self._skip(int(audible.argmax()) * _PART if audible.any() else whole)

    def _skip(self, samples: int) -> None:
        self._rest = self._rest[samples:]
        self._start += samples


def _scan_windows(path: PathLike, count: int) -> Windows:
    """Decode the whole track once, holding a bounded number of windows whatever its length."""
    most = max(_MAX_HELD, 2 * count)
    every, passages = _Blocks(most), _Passages(most)
    total, rest = 0, np.empty(0, np.float32)
    container, stream = open_audio(path)
    with container:
        for chunk in _signal(_frames(container, stream)):
            passages.feed(chunk)
            rest = np.concatenate([rest, chunk])
            while len(rest) >= WINDOW_SAMPLES:
                block, rest = rest[:WINDOW_SAMPLES], rest[WINDOW_SAMPLES:]
                every.add(total, block)
                total += 1
    if not total and not len(rest):
        raise AudioError("no audio could be decoded")
    windows = _even_windows(every, rest, total, count)
    if total < count or not _mostly_silent(windows):
        return windows
    passages.end()
    return passages.windows(count) or windows


def _audible_share(window: NDArray[np.float32]) -> float:
    """Return how much of a window is not silent."""
    return float(_audible(window.reshape(-1, _PART)).mean())


def _even_windows(every: _Blocks, rest: NDArray[np.float32], total: int, count: int) -> Windows:
    """Return evenly spread windows. total: full ones, back to back; rest: what follows them."""
    if every.stride == 1:  # everything is still here: cut where the windows belong
        track = np.concatenate([*(block for _, block in every.held), rest])
        if len(track) < SHORTEST_SAMPLES:
            return Windows(np.empty(0), np.empty((0, WINDOW_SAMPLES), np.float32))
        if len(track) < WINDOW_SAMPLES:
            return Windows(np.zeros(1), np.resize(track, (1, WINDOW_SAMPLES)))
        starts = _window_starts(len(track) / SAMPLE_RATE, count)
        first = np.round(starts * SAMPLE_RATE).astype(int)
        return Windows(starts, np.stack([track[i : i + WINDOW_SAMPLES] for i in first]))
    starts = _window_starts((total * WINDOW_SAMPLES + len(rest)) / SAMPLE_RATE, count)
    # Not np.round, which takes 0.5 and 1.5 to 0 and 2: the same window would be heard twice.
    nearest = np.floor(starts / (every.stride * WINDOW_SECONDS) + 0.5).astype(int)
    return every.windows(nearest.clip(0, len(every.held) - 1))


def packets(container: InputContainer, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
    """Yield the packets from the current position on; where they are unreadable is the end."""
    try:
        yield from container.demux(stream)
    except av.error.FFmpegError:
        return


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Yield the decoded frames from the current position on; damaged packets are passed over."""
    for packet in packets(container, stream):
        try:
            yield from packet.decode()
        except av.error.FFmpegError:  # decoders have many names for damage
            continue


def _lasting(frames: Iterable[AudioFrame], seconds: float) -> Iterator[AudioFrame]:
    """Yield as many frames as last so long."""
    for frame in frames:
        yield frame
        seconds -= frame.samples / frame.sample_rate
        if seconds <= 0:
            return


def _signal(frames: Iterable[AudioFrame]) -> Iterator[NDArray[np.float32]]:
    """Yield the frames as 16 kHz mono, in chunks."""
    for rate, chunks in groupby(_mono(frames), key=itemgetter(0)):  # streams may change
        resampler = _Resampler(rate)
        for _, samples in chunks:
            yield resampler.feed(samples)
        yield resampler.flush()


class _Resampler:
    """FFmpeg's, for mono. Raises AudioError where the rate is not one of music."""

    def __init__(self, rate: int) -> None:
        if rate < _LOWEST_RATE:
            raise AudioError(f"a sampling rate of {rate} Hz")
        self._rate = rate
        self._resampler = AudioResampler("flt", "mono", SAMPLE_RATE)

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take a part of the signal; return what can be told by now."""
        frame = AudioFrame.from_ndarray(samples[np.newaxis], "flt", "mono")
        frame.sample_rate = self._rate
        return self._told(frame)

    def flush(self) -> NDArray[np.float32]:
        """Return the end of the signal."""
        return self._told(None)

    def _told(self, frame: AudioFrame | None) -> NDArray[np.float32]:
        parts = [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _mono(frames: Iterable[AudioFrame]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the frames in larger parts: the rate, in Hz, and the average of the channels."""
    return ((batch.sample_rate, _average(batch)) for batch in _batches(frames))


def _batches(frames: Iterable[AudioFrame]) -> Iterator[AudioFrame]:
    """Join small frames of the same form."""
    for _, group in groupby(frames, key=_form):
        fifo = AudioFifo()  # which takes no other form
        for frame in group:
            frame.pts = None  # it insists on timestamps without gaps
            fifo.write(frame)
            if fifo.samples >= _BATCH:
                yield cast(AudioFrame, fifo.read())
        if fifo.samples:
            yield cast(AudioFrame, fifo.read())


def _form(frame: AudioFrame) -> tuple[int, str, str]:
    return frame.sample_rate, frame.format.name, frame.layout.name


def _average(frame: AudioFrame) -> NDArray[np.float32]:
    """Return the average of a frame's channels, full scale being 1, without what is no sound.

    FFmpeg's own down-mix weighs some channels more than others, and is 3 dB louder: the average is
    what librosa takes and the backbone was trained on.
    """
    samples = frame.to_ndarray()
    if samples.dtype == np.uint8:
        samples = samples.astype(np.int16) - 128
    channels = samples if frame.format.is_planar else samples.reshape(frame.samples, -1).T
    full_scale = 1.0 if samples.dtype.kind == "f" else 2.0 ** (8 * frame.format.bytes - 1)
    mean = np.zeros(frame.samples, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for channel in channels:  # mean(axis=0) takes ten times as long where they are interleaved
            mean += channel.astype(np.float32)
        mean /= np.float32(len(channels) * full_scale)
        if not np.abs(mean).max() < _LOUDEST:
            mean[~(np.abs(mean) < _LOUDEST)] = 0.0
    return mean


def _end(frame: AudioFrame) -> float:
    """Return where a frame ends, in seconds; a frame without timestamp ends nowhere."""
    return inf if frame.time is None else frame.time + frame.samples / frame.sample_rate


def _origin(stream: AudioStream) -> float:
    """Return the timestamp of the first sample, in seconds."""
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def _end_of_stream(container: InputContainer, stream: AudioStream) -> float:
    """Return where the track ends, in seconds, from the packets between here and there."""
    end = 0
    for packet in packets(container, stream):
        if packet.pts is not None and packet.duration is not None:
            end = packet.pts + packet.duration
    assert stream.time_base is not None
    return float(end * stream.time_base) - _origin(stream)
