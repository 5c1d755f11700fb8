"""The analysis of a track: the outputs of a backend for each of its windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

TAGS = 50  # activations of each network
EMBEDDING_SIZE = 200  # units of the penultimate layer of MSD-musicnn
OUTPUT_SIZE = TAGS + EMBEDDING_SIZE + TAGS  # all that is kept of a window
_BOUNDS = (TAGS, TAGS + EMBEDDING_SIZE)


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

    Examples
    --------
    >>> outputs = NetworkOutputs.split(np.zeros((3, 300)))
    >>> outputs.activations.shape, outputs.embeddings.shape, outputs.expert_activations.shape
    ((3, 50), (3, 200), (3, 50))
    >>> outputs.join().shape
    (3, 300)
    """

    activations: NDArray[np.floating[Any]]
    embeddings: NDArray[np.floating[Any]]
    expert_activations: NDArray[np.floating[Any]]

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

    Examples
    --------
    >>> values = np.full((2, 300), 0.5, np.float16)
    >>> analysis = Analysis(np.array([0.0, 3.0]), np.array([True, False]), values)
    >>> analysis.activations.shape, analysis.embeddings.shape
    ((2, 50), (2, 200))
    >>> analysis.embedding.shape
    (200,)
    """

    starts: NDArray[np.float64]
    audible: NDArray[np.bool_]
    values: NDArray[np.float16]

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
    def embedding(self) -> NDArray[np.float64] | None:
        """(EMBEDDING_SIZE,) L2-normalized mean of the audible windows; None if there are none."""
        embeddings = self.embeddings[self.audible]
        if not len(embeddings):
            return None
        mean = embeddings.mean(axis=0, dtype=np.float64)
        return mean / max(float(np.linalg.norm(mean)), 1e-9)

    def to_bytes(self) -> bytes:
        """Return the arrays as bytes, without a header."""
        return (
            self.starts.astype("<f8").tobytes()
            + self.audible.tobytes()
            + self.values.astype("<f2").tobytes()
        )

    @classmethod
    def from_bytes(cls, content: bytes, windows: int) -> Analysis:
        """Return the analysis of so many windows that `to_bytes` was called on.

        Raises
        ------
        ValueError
            If the bytes are no such analysis.
        """
        starts, audible = 8 * windows, windows
        values = np.frombuffer(content[starts + audible :], "<f2")
        return cls(
            np.frombuffer(content[:starts], "<f8"),
            np.frombuffer(content[starts : starts + audible], np.bool_),
            values.reshape(windows, -1 if windows else 0),
        )
