"""Sound of any sampling rate to 16 kHz, as FFmpeg's libswresample does it.

By products of matrices: those are twice as quick, and FFmpeg's filters would have to be set up
anew for every window, which takes as long as to resample it.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genremodel.constants import SAMPLE_RATE

# The filter of libswresample: its zero crossings, its edge as a part of the band, its window.
_CROSSINGS, _CUTOFF, _KAISER_BETA = 32, 0.97, 9.0
# Places of an output between two inputs; where a rate has more, the nearest that has not is taken.
_MOST_PHASES = 1024
# Matrices are so small that OpenBLAS multiplies them without threads: tracks are the unit of
# parallelism.
_ROWS, _COLUMNS = 32, 16


class Resampler:
    """Resamples a signal that comes in parts. rate: Hz."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._filters = _filters(rate)
        self._held: NDArray[np.float32] | None = None  # inputs that later outputs depend on

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take a part of the signal, at least a sample; return what can be told by now."""
        filters = self._filters
        if self._held is None:
            samples = np.pad(samples, (filters.before, 0), mode="reflect")
        else:
            samples = np.concatenate([self._held, samples])
        periods = max(len(samples) - filters.before - filters.after, 0) // filters.inputs
        periods -= periods % _ROWS
        self._held = samples[periods * filters.inputs :]
        return filters.apply(samples, periods)

    def flush(self) -> NDArray[np.float32]:
        """Return the end of the signal, of which at least a part has been fed."""
        assert self._held is not None
        filters = self._filters
        inputs = len(self._held) - filters.before
        periods = _ROWS * ceil(inputs / filters.inputs / _ROWS)
        samples = np.pad(self._held, (0, filters.after), mode="symmetric")
        samples = np.pad(samples, (0, periods * filters.inputs - inputs))
        self._held = None
        return filters.apply(samples, periods)[: ceil(inputs * filters.outputs / filters.inputs)]


class _Columns(NamedTuple):
    """How some outputs of a period come from its inputs, from `first` on.

    weights: (inputs, outputs).
    """

    first: int
    outputs: slice
    weights: NDArray[np.float32]


class _Filters(NamedTuple):
    """A bank of filters that is the same in every period of so many inputs and outputs.

    before and after: how many inputs the filters see beyond the place of their output.
    """

    inputs: int
    outputs: int
    before: int
    after: int
    columns: list[_Columns]

    def apply(self, samples: NDArray[np.float32], periods: int) -> NDArray[np.float32]:
        """Return the outputs of whole periods, a multiple of _ROWS of them."""
        blocks = periods // _ROWS
        resampled = np.empty((blocks, _ROWS, self.outputs), np.float32)
        size = samples.itemsize
        strides = _ROWS * self.inputs * size, self.inputs * size, size
        for first, outputs, weights in self.columns if blocks else ():
            shape = blocks, _ROWS, len(weights)
            rows: NDArray[np.float32] = np.ndarray(
                shape, np.float32, samples, first * size, strides
            )
            np.matmul(rows, weights, out=resampled[:, :, outputs])
        return resampled.reshape(-1)


@lru_cache(maxsize=8)
def _filters(rate: int) -> _Filters:
    step = Fraction(rate, SAMPLE_RATE).limit_denominator(_MOST_PHASES)  # inputs to an output
    factor = min(_CUTOFF / step, 1.0) if step != 1 else 1.0  # a rate that is right stays so
    taps = 2 * ceil(_CROSSINGS / factor / 2)
    before = (taps - 1) // 2
    # Rows of weights may not overlap in the signal, or NumPy would multiply them one by one.
    repeats = ceil((taps + _COLUMNS * step) / step.numerator)
    outputs = np.arange(repeats * step.denominator)
    place, phase = np.divmod(outputs * step.numerator, step.denominator)
    offsets = np.arange(taps) - before - phase[:, np.newaxis] / step.denominator
    kaiser = np.i0(_KAISER_BETA * np.sqrt(np.maximum(1 - (2 * offsets / taps) ** 2, 0)))
    weights = np.sinc(offsets * factor) * kaiser
    weights /= weights.sum(axis=1, keepdims=True)
    columns = []
    for start in range(0, len(outputs), _COLUMNS):
        some = slice(start, min(start + _COLUMNS, len(outputs)))
        shifts = place[some] - place[start]
        matrix = np.zeros((shifts[-1] + taps, len(shifts)), np.float32)
        for column, shift in enumerate(shifts):
            matrix[shift : shift + taps, column] = weights[start + column]
        columns.append(_Columns(int(place[start]), some, matrix))
    return _Filters(repeats * step.numerator, len(outputs), before, taps - 1 - before, columns)
