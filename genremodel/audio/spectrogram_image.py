"""The spectrogram of a whole track as a small picture, for display below a player."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from genremodel.audio.decoding import (
    PathLike,
    decoding_errors,
    frames,
    header_duration,
    open_audio,
    resampled,
)
from genremodel.audio.params import (
    FFT_BINS,
    HOP_SIZE,
    LOG_GAIN,
    SAMPLE_RATE,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
)
from genremodel.audio.spectrogram import power_spectrogram
from genremodel.audio.windows import seek_windows
from genremodel.errors import AudioError

ROWS, COLUMNS = 50, 800

_LOWEST_BAND = 1.5  # FFT bins, 47 Hz
_BRIGHTEST = 7.0  # log10(1 + LOG_GAIN * power)
# Longer tracks are drawn from windows with gaps between them: decoding them takes seconds.
_MAX_DECODED_SECONDS = 600.0
_SPARSE_WINDOWS = 200
# Samples from one window to the next. The first frame of each, half of it padding, is left out, and
# is the last frame of the window before.
_STEP = (WINDOW_FRAMES - 1) * HOP_SIZE
_MAX_GROUPS = 1 << 13


@dataclass(frozen=True, eq=False)
class SpectrogramImage:
    """The spectrogram of a track, drawn.

    Parameters
    ----------
    seconds : float
        The length of the track.
    levels : (ROWS, COLUMNS) uint8
        Logarithmic power. Rows are frequency bands on a logarithmic scale, the highest, up to half
        of `SAMPLE_RATE`, first. Columns are equal parts of the track.
    """

    seconds: float
    levels: NDArray[np.uint8]


def spectrogram_image(path: PathLike) -> SpectrogramImage:
    """Draw the spectrogram of a track.

    Tracks of more than ten minutes are sampled: a column shows an excerpt of three quarters of a
    second from its surroundings. Memory does not depend on the length of the track.

    Parameters
    ----------
    path
        The track.

    Returns
    -------
    SpectrogramImage

    Raises
    ------
    AudioError
        If nothing can be decoded.

    Examples
    --------
    >>> spectrogram_image("none.mp3")
    Traceback (most recent call last):
    genremodel.errors.AudioError: No such file or directory
    """
    with decoding_errors():
        return _draw_sparsely(path) or _draw(path)


def _draw_sparsely(path: PathLike) -> SpectrogramImage | None:
    """Draw a long track from some of its windows, or return None if that is not possible."""
    container, stream = open_audio(path)
    with container:
        seconds = header_duration(stream)
    if seconds is None or seconds <= _MAX_DECODED_SECONDS:
        return None
    windows = seek_windows(path, _SPARSE_WINDOWS)
    if windows is None:
        return None
    spectrum = _Frames()
    for window in windows.samples:
        spectrum.add(_bands(window)[1:])
    return SpectrogramImage(seconds, spectrum.levels())


def _draw(path: PathLike) -> SpectrogramImage:
    """Draw a track from all of its samples."""
    spectrum, samples = _Frames(), 0
    rest = np.zeros(HOP_SIZE, np.float32)  # in place of a repeated frame before the first one
    container, stream = open_audio(path)
    with container:
        for chunk in resampled(frames(container, stream)):
            samples += len(chunk)
            rest = np.concatenate([rest, chunk])
            while len(rest) >= WINDOW_SAMPLES:
                spectrum.add(_bands(rest[:WINDOW_SAMPLES])[1:])
                rest = rest[_STEP:]
    if not samples:
        raise AudioError("no audio could be decoded")
    last = _bands(np.pad(rest, (0, WINDOW_SAMPLES - len(rest))))
    spectrum.add(last[1 : -(-len(rest) // HOP_SIZE)])
    return SpectrogramImage(samples / SAMPLE_RATE, spectrum.levels())


def _bands(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power of a window in bands, the highest first: (WINDOW_FRAMES, ROWS)."""
    power: NDArray[np.float32] = power_spectrogram(window[np.newaxis])[0] @ _filters()
    return power


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float32]:
    """Return the weights of the FFT bins in each band: (FFT_BINS, ROWS).

    The filters are triangles. Low ones are wider than their bands, and interpolate between bins.
    """
    centers = np.geomspace(FFT_BINS - 1, _LOWEST_BAND, ROWS)
    widths = np.maximum(-np.gradient(centers), 1)
    distances = np.abs(np.arange(FFT_BINS)[:, np.newaxis] - centers)
    weights = np.maximum(1 - distances / widths, 0)
    return (weights / weights.sum(axis=0)).astype(np.float32)


class _Frames:
    """Spectrogram frames of a track of unknown length, averaged in bounded memory.

    When there is no more room for groups of frames, groups of twice as many frames are made.
    """

    def __init__(self) -> None:
        self._sums = np.zeros((_MAX_GROUPS, ROWS), np.float32)
        self._counts = np.zeros((_MAX_GROUPS, 1), np.float32)
        self._stride = 1  # frames in a group
        self._seen = 0

    def add(self, frames: NDArray[np.float32]) -> None:
        """Take the next frames: (frames, ROWS)."""
        numbers = np.arange(self._seen, self._seen + len(frames))
        self._seen += len(frames)
        while self._seen > _MAX_GROUPS * self._stride:
            self._join_pairs()
        groups, firsts, counts = np.unique(
            numbers // self._stride, return_index=True, return_counts=True
        )
        self._sums[groups] += np.add.reduceat(frames, firsts)
        self._counts[groups, 0] += counts

    def levels(self) -> NDArray[np.uint8]:
        """Return the picture: (ROWS, COLUMNS)."""
        groups = -(-self._seen // self._stride)
        # A group is in several columns if there are fewer groups than columns.
        firsts = np.arange(COLUMNS) * groups // COLUMNS
        sums, counts = (
            np.add.reduceat(part[:groups], firsts) for part in (self._sums, self._counts)
        )
        brightness = np.log10(1 + LOG_GAIN * (sums / counts).T) / _BRIGHTEST
        return np.round(255 * brightness.clip(0, 1)).astype(np.uint8)

    def _join_pairs(self) -> None:
        for part in (self._sums, self._counts):
            half = len(part) // 2
            part[:half] = part[::2] + part[1::2]
            part[half:] = 0
        self._stride *= 2
