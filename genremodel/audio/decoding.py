"""Decode audio files with PyAV: open, read packets and frames, mix down, resample.

PyAV's wheels contain FFmpeg: after `pip install`, every format that beets can tag decodes on Linux,
macOS and Windows.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import groupby
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast

import av
import av.error
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from genremodel.audio.params import SAMPLE_RATE
from genremodel.errors import AudioError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container.input import InputContainer
    from av.packet import Packet

PathLike: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"
# A path, a seekable file object, or samples and their rate in Hz.
AudioSource: TypeAlias = "PathLike | BinaryIO | tuple[NDArray[Any], int]"

# Streams without a reliable header: FFmpeg estimates their duration from the bitrate.
ESTIMATED_DURATION_FORMATS = {"mp3", "aac"}
# Samples to collect before mixing down and resampling: doing so for every 20 ms frame is slow.
_BATCH = 1 << 16
# FFmpeg's names of the formats that beets can tag, and of raw AAC. Others are refused, since some
# of them are playlists that make FFmpeg open other files, streams or devices.
_FORMATS = (
    "mp3", "flac", "ogg", "mov", "aac", "wav", "aiff", "wv", "asf", "dsf", "mpc", "mpc8", "ape",
)  # fmt: skip
_OPTIONS: dict[str, Any] = {
    "options": {
        "format_whitelist": ",".join(_FORMATS),
        "protocol_whitelist": "file",
        # FFmpeg would read 5 MB of a WAV file to see whether it contains DTS.
        "probesize": str(1 << 16),
    }
}
# Tags that are not UTF-8 must not stop the decoding. PyAV 19 and later ignore them by default.
if int(av.__version__.partition(".")[0]) < 19:
    _OPTIONS["metadata_errors"] = "ignore"
# Reject absurd sample rates: the implied duration would exhaust memory.
_MIN_SAMPLE_RATE = 1000  # Hz
# Float files may contain NaN, infinity and huge values. Samples over +60 dB of full scale are
# replaced by zero.
_MAX_AMPLITUDE = 1000.0
_MAX_CHANNELS = 64
# WAV files with 64-bit sizes: EBU Tech 3306.
_RF64 = "<4sI4s 4sIQQQI 4sIHHIIHH 4sI"
_SIZE_IN_DS64 = 0xFFFFFFFF
_PCM, _IEEE_FLOAT = 1, 3
_SAMPLE_TYPES = {"float32", "uint8", "int16", "int32"}  # that PyAV converts to NumPy arrays


def as_file(source: AudioSource) -> PathLike | BinaryIO:
    """Return samples as a WAV file in memory, other sources as they are.

    Examples
    --------
    >>> as_file((np.zeros((2, 16_000), np.int16), 16_000)).read(4)
    b'RF64'
    >>> as_file("song.mp3")
    'song.mp3'
    """
    if not isinstance(source, tuple):
        return source
    samples, rate = source
    samples = np.atleast_2d(samples)
    if samples.ndim > 2 or len(samples) > _MAX_CHANNELS:
        raise ValueError(f"samples must be (samples,) or (channels, samples), not {samples.shape}")
    if samples.dtype.kind == "f":
        samples = samples.astype(np.float32)
    if samples.dtype.name not in _SAMPLE_TYPES:
        raise ValueError(f"samples of type {samples.dtype} are not supported")
    frames = samples.T.astype(samples.dtype.newbyteorder("<"))
    return BytesIO(_wav_header(frames, int(rate)) + frames.tobytes())


def _wav_header(frames: NDArray[Any], rate: int) -> bytes:
    """Return the header of a WAV file of any size (RF64) before (frames, channels)."""
    count, channels = frames.shape
    tag = _IEEE_FLOAT if frames.dtype.kind == "f" else _PCM
    size = frames.itemsize
    form = tag, channels, rate, rate * channels * size, channels * size, 8 * size
    return struct.pack(
        _RF64,
        *(b"RF64", _SIZE_IN_DS64, b"WAVE"),
        *(b"ds64", 28, frames.nbytes + struct.calcsize(_RF64) - 8, frames.nbytes, count, 0),
        *(b"fmt ", 16, *form),
        *(b"data", _SIZE_IN_DS64),
    )


@contextmanager
def decoding_errors() -> Iterator[None]:
    """Raise AudioError in place of the exceptions of PyAV and of the system."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as exc:
        raise AudioError(exc.strerror or str(exc)) from exc
    except ValueError as exc:  # PyAV, of a sample format that it does not know
        raise AudioError(str(exc)) from exc


def open_audio(source: PathLike | BinaryIO) -> tuple[InputContainer, AudioStream]:
    """Open a file and choose its best audio stream. File objects are read from their start.

    Raises
    ------
    AudioError, av.error.FFmpegError, OSError
        If the file cannot be opened or has no audio stream with a known codec.
    """
    try:
        if isinstance(source, (str, bytes, os.PathLike)):
            # FFmpeg would take a relative name such as "a:b.mp3" for a URL.
            container = av.open(os.path.abspath(os.fsdecode(source)), **_OPTIONS)  # noqa: PTH100
        else:
            source.seek(0)
            container = av.open(source, **_OPTIONS)
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


def packets(container: InputContainer, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
    """Yield the packets from the current position up to the end or to unreadable data."""
    try:
        yield from container.demux(stream)
    except av.error.FFmpegError:
        return


def frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Yield the decoded frames from the current position, skipping damaged packets."""
    for packet in packets(container, stream):
        try:
            yield from packet.decode()
        except av.error.FFmpegError:  # decoders raise many kinds of errors
            continue


def frame_end(frame: AudioFrame) -> float:
    """Return the timestamp of the end of a frame in seconds, infinite without a timestamp."""
    return inf if frame.time is None else frame.time + frame.samples / frame.sample_rate


def stream_start(stream: AudioStream) -> float:
    """Return the timestamp of the first sample in seconds."""
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def header_duration(stream: AudioStream) -> float | None:
    """Return the duration in seconds according to the header of a file, if it has one.

    FFmpeg estimates it for formats without a header: `ESTIMATED_DURATION_FORMATS`.
    """
    if stream.duration is None or stream.time_base is None:
        return None
    return float(stream.duration * stream.time_base)


def read_duration(container: InputContainer, stream: AudioStream) -> float:
    """Return the duration in seconds according to the last packets. Moves the position."""
    if stream.duration is not None:
        with suppress(av.error.FFmpegError):  # three times as fast as reading all packets
            container.seek(stream.duration, stream=stream)
    end = 0
    for packet in packets(container, stream):
        if packet.pts is not None and packet.duration is not None:
            end = packet.pts + packet.duration
    assert stream.time_base is not None
    return float(end * stream.time_base) - stream_start(stream)


def mono(frames: Iterable[AudioFrame]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield sample rate in Hz and averaged channels of joined frames."""
    return ((batch.sample_rate, _average(batch)) for batch in join_frames(frames))


def resampled(frames: Iterable[AudioFrame]) -> Iterator[NDArray[np.float32]]:
    """Yield the signal of frames as mono at `SAMPLE_RATE`, in chunks."""
    for rate, chunks in groupby(mono(frames), key=itemgetter(0)):  # the rate may change midway
        resampler = Resampler(rate)
        for _, samples in chunks:
            yield resampler.feed(samples)
        yield resampler.flush()


def check_sample_rate(rate: int) -> None:
    """Raise AudioError if a sample rate in Hz is absurdly low."""
    if rate < _MIN_SAMPLE_RATE:
        raise AudioError(f"unsupported sample rate: {rate} Hz")


class Resampler:
    """Resample a mono signal to `SAMPLE_RATE` with FFmpeg, chunk by chunk.

    Parameters
    ----------
    rate : int
        Sample rate of the input in Hz.

    Raises
    ------
    AudioError
        If the sample rate is absurdly low.

    Examples
    --------
    >>> resampler = Resampler(32_000)
    >>> parts = [resampler.feed(np.zeros(32_000, np.float32)), resampler.flush()]
    >>> np.concatenate(parts).shape
    (16000,)
    """

    def __init__(self, rate: int) -> None:
        check_sample_rate(rate)
        self._rate = rate
        self._resampler = AudioResampler("flt", "mono", SAMPLE_RATE)

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples and return the output that is ready."""
        frame = AudioFrame.from_ndarray(samples[np.newaxis], "flt", "mono")
        frame.sample_rate = self._rate
        return self._to_array(frame)

    def flush(self) -> NDArray[np.float32]:
        """Return the rest of the output."""
        return self._to_array(None)

    def _to_array(self, frame: AudioFrame | None) -> NDArray[np.float32]:
        parts = [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)


def join_frames(frames: Iterable[AudioFrame]) -> Iterator[AudioFrame]:
    """Join consecutive frames of the same format."""
    for _, group in groupby(frames, key=frame_format):
        fifo = AudioFifo()  # which accepts a single format
        for frame in group:
            frame.pts = None  # the FIFO refuses timestamps with gaps
            fifo.write(frame)
            if fifo.samples >= _BATCH:
                yield cast(AudioFrame, fifo.read())
        if fifo.samples:
            yield cast(AudioFrame, fifo.read())


def frame_format(frame: AudioFrame) -> tuple[int, str, str]:
    """Return sample rate in Hz, sample format and channel layout."""
    return frame.sample_rate, frame.format.name, frame.layout.name


def _average(frame: AudioFrame) -> NDArray[np.float32]:
    """Return the mean of a frame's channels, in units of full scale.

    FFmpeg's own downmix weights the channels and is 3 dB louder. The networks were trained on the
    mean, which librosa computes.
    """
    samples = frame.to_ndarray()
    if samples.dtype == np.uint8:
        samples = samples.astype(np.int16) - 128
    channels = samples if frame.format.is_planar else samples.reshape(frame.samples, -1).T
    full_scale = 1.0 if samples.dtype.kind == "f" else 2.0 ** (8 * frame.format.bytes - 1)
    mean = np.zeros(frame.samples, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for channel in channels:  # ten times as fast as mean(axis=0) for interleaved samples
            mean += channel.astype(np.float32)
        mean /= np.float32(len(channels) * full_scale)
        if not np.abs(mean).max() < _MAX_AMPLITUDE:
            mean[~(np.abs(mean) < _MAX_AMPLITUDE)] = 0.0
    return mean
