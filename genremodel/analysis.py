"""The analysis of a track: the outputs of a backend for each of its windows."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genremodel.audio.places import FIRST_WINDOWS, chosen_places, needed_places

TAGS = 50  # activations of each network
EMBEDDING_SIZE = 200  # units of the penultimate layer of each network
_NETWORK_SIZE = TAGS + EMBEDDING_SIZE
OUTPUT_SIZE = 2 * _NETWORK_SIZE  # all that is kept of a window
_BOUNDS = (TAGS, _NETWORK_SIZE, _NETWORK_SIZE + TAGS)
# Of the bytes of an analysis: numbers of places, of windows, of values of each window, and of
# windows that the second network analyzed.
_HEADER = struct.Struct("<4H")


class NetworkOutputs(NamedTuple):
    """The outputs of both networks for some windows.

    Parameters
    ----------
    activations : (windows, TAGS)
        Probabilities of the tags of MSD-musicnn.
    embeddings : (windows, EMBEDDING_SIZE)
        The penultimate layer of MSD-musicnn.
    expert_activations : (windows, TAGS)
        Probabilities of the tags of MTT-musicnn; NaN for the windows that it did not analyze.
    expert_embeddings : (windows, EMBEDDING_SIZE)
        The penultimate layer of MTT-musicnn; NaN for the windows that it did not analyze.

    Examples
    --------
    >>> outputs = NetworkOutputs.split(np.zeros((3, 500)))
    >>> outputs.activations.shape, outputs.embeddings.shape, outputs.expert_activations.shape
    ((3, 50), (3, 200), (3, 50))
    >>> outputs.join().shape
    (3, 500)
    """

    activations: NDArray[np.floating[Any]]
    embeddings: NDArray[np.floating[Any]]
    expert_activations: NDArray[np.floating[Any]]
    expert_embeddings: NDArray[np.floating[Any]]

    @classmethod
    def split(cls, values: NDArray[np.floating[Any]]) -> NetworkOutputs:
        """Return the parts of an array that `join` returned, as views of it.

        Raises
        ------
        ValueError
            If the values have another number of columns.
        """
        if len(values) and values.shape[1] != OUTPUT_SIZE:
            raise ValueError(f"expected {OUTPUT_SIZE} values a window, got {values.shape[1]}")
        return cls(*np.split(values.reshape(len(values), OUTPUT_SIZE), _BOUNDS, axis=1))

    def join(self) -> NDArray[np.floating[Any]]:
        """Return one array with all parts side by side, one row a window."""
        return np.concatenate(self, axis=1)

    @property
    def by_both(self) -> NDArray[np.bool_]:
        """(windows,) True for the windows that MTT-musicnn analyzed, too."""
        analyzed: NDArray[np.bool_] = np.isfinite(self.expert_activations).any(axis=1)
        return analyzed

    @property
    def both_embeddings(self) -> NDArray[np.floating[Any]]:
        """(windows, 2 * EMBEDDING_SIZE) embeddings of the windows that both networks analyzed."""
        both = self.by_both
        return np.concatenate([self.embeddings[both], self.expert_embeddings[both]], axis=1)


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything that a prediction needs to know about a track.

    The named parts are those of an analysis by the CNN; they raise ValueError if the values are the
    librosa features of the KNN fallback.

    Parameters
    ----------
    starts : (windows,)
        Seconds, ascending. Empty if the track is too short.
    audible : (windows,)
        False where a window is digital silence.
    values : (windows, values)
        The outputs of the backend that made the analysis.
    analyzed : (places,), optional
        True for the places of the track that the windows are at. By default, they are at all.

    Examples
    --------
    >>> values = np.full((2, 500), 0.5, np.float16)
    >>> analysis = Analysis(np.array([0.0, 3.0]), np.array([True, False]), values)
    >>> analysis.activations.shape, analysis.embeddings.shape
    ((2, 50), (2, 200))
    >>> analysis.embedding.shape
    (200,)
    """

    starts: NDArray[np.float64]
    audible: NDArray[np.bool_]
    values: NDArray[np.float16]
    analyzed: NDArray[np.bool_] | None = None

    @property
    def places(self) -> NDArray[np.bool_]:
        """(places,) True for the places of the track that were analyzed."""
        return np.ones(len(self.starts), np.bool_) if self.analyzed is None else self.analyzed

    @property
    def activations(self) -> NDArray[np.floating[Any]]:
        """(windows, TAGS) probabilities of the tags of MSD-musicnn."""
        return NetworkOutputs.split(self.values).activations

    @property
    def embeddings(self) -> NDArray[np.floating[Any]]:
        """(windows, EMBEDDING_SIZE) penultimate layer of MSD-musicnn."""
        return NetworkOutputs.split(self.values).embeddings

    @property
    def expert_activations(self) -> NDArray[np.floating[Any]]:
        """(windows, TAGS) probabilities of the tags of MTT-musicnn, NaN for most windows."""
        return NetworkOutputs.split(self.values).expert_activations

    @property
    def expert_embeddings(self) -> NDArray[np.floating[Any]]:
        """(windows, EMBEDDING_SIZE) penultimate layer of MTT-musicnn, NaN for most windows."""
        return NetworkOutputs.split(self.values).expert_embeddings

    @property
    def embedding(self) -> NDArray[np.float64] | None:
        """(EMBEDDING_SIZE,) L2-normalized mean of the audible windows; None if there are none."""
        embeddings = self.embeddings[self.audible]
        if not len(embeddings):
            return None
        mean = embeddings.mean(axis=0, dtype=np.float64)
        return mean / max(float(np.linalg.norm(mean)), 1e-9)

    def has(self, count: int) -> bool:
        """Return True if all that an analysis of so many windows has was analyzed."""
        return bool(self.places[chosen_places(count, len(self.places))].all())

    def select(self, count: int) -> Analysis:
        """Return the part that an analysis of so many windows has.

        Silent windows are left out if there are enough audible ones.

        Parameters
        ----------
        count : int
            The number of windows, at least 1. The analysis must have them, see `has`.

        Examples
        --------
        >>> starts, values = np.arange(10.0), np.zeros((10, 500), np.float16)
        >>> analysis = Analysis(starts, np.ones(10, bool), values)
        >>> analysis.select(3).starts
        array([1., 5., 8.])
        >>> analysis.select(3).has(10)
        False
        """
        total = len(self.places)
        # If not all places were analyzed, all windows are audible, see `read_windows`.
        if not self.places.all() or self.audible[needed_places(count, total)].all():
            return self._at(np.isin(np.arange(total), chosen_places(count, total)))
        audible = np.flatnonzero(self.audible)
        if count >= len(audible):
            return self
        return self._at(np.isin(np.arange(total), audible[chosen_places(count, len(audible))]))

    def wanted(
        self, count: int, is_enough: Callable[[Analysis], bool] | None = None
    ) -> Analysis | None:
        """Return the part that a prediction reads, or None if some of it was not analyzed.

        Parameters
        ----------
        count : int
            The number of windows.
        is_enough : callable, optional
            Returns whether the `FIRST_WINDOWS`, which it is given, are enough.
        """
        if is_enough and self.has(FIRST_WINDOWS):
            first = self.select(FIRST_WINDOWS)
            if is_enough(first):
                return first
        return self.select(count) if self.has(count) else None

    def joined_with(self, other: Analysis) -> Analysis:
        """Return an analysis with the windows of this one and of another, at different places.

        Examples
        --------
        >>> starts, values = np.arange(10.0), np.zeros((10, 500), np.float16)
        >>> analysis = Analysis(starts, np.ones(10, bool), values)
        >>> first = analysis.select(3)
        >>> others = Analysis(starts[~first.places], np.ones(7, bool), values[:7], ~first.places)
        >>> first.joined_with(others).has(10)
        True
        """
        order = np.concatenate([self.starts, other.starts]).argsort()
        return Analysis(
            np.concatenate([self.starts, other.starts])[order],
            np.concatenate([self.audible, other.audible])[order],
            np.concatenate([self.values, other.values])[order],
            self.places | other.places,
        )

    def _at(self, places: NDArray[np.bool_]) -> Analysis:
        """Return the windows at some of the analyzed places, (places,)."""
        rows = places[self.places]
        return Analysis(self.starts[rows], self.audible[rows], self.values[rows], places)

    def to_bytes(self) -> bytes:
        """Return the analysis as bytes, without the values that are NaN for want of a network."""
        first, by_both = self.values, np.zeros(len(self.starts), np.bool_)
        second = self.values[:0]
        if self.values.shape[1] == OUTPUT_SIZE:
            first, second = np.split(self.values, [_NETWORK_SIZE], axis=1)
            by_both = NetworkOutputs.split(self.values).by_both
            second = second[by_both]
        header = _HEADER.pack(len(self.places), *first.shape, int(by_both.sum()))
        return header + b"".join(
            (
                self.places.tobytes(),
                self.starts.astype("<f8").tobytes(),
                self.audible.tobytes(),
                by_both.tobytes(),
                first.astype("<f2").tobytes(),
                second.astype("<f2").tobytes(),
            )
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Analysis:
        """Return the analysis that `to_bytes` was called on.

        Raises
        ------
        ValueError
            If the bytes are no such analysis.
        """
        if len(content) < _HEADER.size:
            raise ValueError("not an analysis")
        places, windows, columns, analyzed_by_both = _HEADER.unpack_from(content)
        parts = []
        end = _HEADER.size
        for dtype, size in (
            ("u1", places),
            ("<f8", windows),
            ("u1", windows),
            ("u1", windows),
            ("<f2", windows * columns),
            ("<f2", analyzed_by_both * _NETWORK_SIZE),
        ):
            parts.append(np.frombuffer(content, dtype, size, end) if size else np.empty(0, dtype))
            end += parts[-1].nbytes
        _, starts, _, _, first, second = parts
        analyzed, audible, by_both = (parts[i].astype(np.bool_) for i in (0, 2, 3))
        if end != len(content) or analyzed.sum() != windows or by_both.sum() != analyzed_by_both:
            raise ValueError("not an analysis")
        values = first.reshape(windows, columns)
        if columns == _NETWORK_SIZE:
            expert = np.full_like(values, np.nan)
            expert[by_both] = second.reshape(-1, _NETWORK_SIZE)
            values = np.concatenate([values, expert], axis=1)
        return cls(starts, audible, values, None if analyzed.all() else analyzed)
