"""Convert an audio file to WAV, which every browser plays and seeks."""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from genremodel.audio.decoding import (
    PathLike,
    check_sample_rate,
    decoding_errors,
    frame_format,
    frames,
    header_duration,
    join_frames,
    open_audio,
)
from genremodel.errors import AudioError

# Longer tracks, and those of unknown length, become smaller files: an hour has 159 MB, not 635.
_MAX_STEREO_SECONDS = 1200.0
_SMALL_RATE = 22_050  # Hz, mono
_KEPT_RATES = range(8000, 48_001)  # Hz
_OTHER_RATE = 44_100  # Hz, in place of others
_SAMPLE_BYTES = 2


def transcode(path: PathLike, target: Path, max_bytes: int = 1 << 30) -> float:
    """Convert an audio file to a WAV file with samples of 16 bits.

    Tracks of up to 20 minutes keep their sample rate, up to 48 kHz, and up to two channels. Longer
    ones become mono at 22.05 kHz. Memory does not depend on the length of the track.

    Parameters
    ----------
    path
        The file.
    target : Path
        The WAV file, which is replaced. It appears when it is complete. Until then, `.part` is
        added to its name; such a file is left behind only if the process is killed.
    max_bytes : int
        The largest size of the audio in the WAV file, by default that of 6.7 hours.

    Returns
    -------
    float
        The length of the WAV file, in seconds.

    Raises
    ------
    AudioError
        If nothing can be decoded, the track is too long, or the WAV file cannot be written.

    Examples
    --------
    >>> transcode("none.mp3", Path("none.wav"))
    Traceback (most recent call last):
    genremodel.errors.AudioError: No such file or directory
    """
    part = target.with_name(f"{target.name}.part")
    try:
        with decoding_errors():
            seconds = _write(path, part, max_bytes)
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return seconds


def _write(path: PathLike, target: Path, max_bytes: int) -> float:
    """Write a WAV file and return its length in seconds."""
    container, stream = open_audio(path)
    with container:
        seconds = header_duration(stream)
        decoded = frames(container, stream)
        first = next(decoded, None)
        if first is None:
            raise AudioError("no audio could be decoded")
        rate, channels = first.sample_rate, min(first.layout.nb_channels, 2)
        if seconds is None or seconds > _MAX_STEREO_SECONDS:
            rate, channels = _SMALL_RATE, 1
        elif rate not in _KEPT_RATES:
            rate = _OTHER_RATE
        size = 0
        with wave.open(str(target), "wb") as wav:
            wav.setparams((channels, _SAMPLE_BYTES, rate, 0, "NONE", ""))
            for samples in _pcm(chain([first], decoded), rate, channels):
                size += len(samples)
                if size > max_bytes:
                    raise AudioError("too long to be converted to WAV")
                wav.writeframesraw(samples)
    return size / (_SAMPLE_BYTES * channels * rate)


def _pcm(frames: Iterable[AudioFrame], rate: int, channels: int) -> Iterator[bytes]:
    """Yield interleaved samples of 16 bits, in the byte order of the system."""
    layout = "mono" if channels == 1 else "stereo"
    for form, group in groupby(join_frames(frames), key=frame_format):  # it may change midway
        check_sample_rate(form[0])
        resampler = AudioResampler("s16", layout, rate)
        for frame in chain(group, [None]):
            for part in resampler.resample(frame):
                yield part.to_ndarray().tobytes()
