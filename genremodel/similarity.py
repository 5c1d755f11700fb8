"""Find similar tracks: cosine similarity of their mean embeddings.

On GTZAN the nearest tracks by other artists share the genre far more often than with tag logits, on
Emotify about as often: see `benchmarks/custom_genres.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, Analysis

_BATCH = 4096  # embeddings that are compared at once

T = TypeVar("T")


def track_embedding(analysis: Analysis) -> bytes | None:
    """Return the L2-normalized mean embedding, shape (EMBEDDING_SIZE,), as float16 bytes.

    Returns None for a track without an audible window. The analysis must be by the CNN.

    Examples
    --------
    >>> values = np.ones((2, 500), np.float16)
    >>> analysis = Analysis(np.array([0.0, 3.0]), np.array([True, True]), values)
    >>> len(track_embedding(analysis))
    400
    """
    embedding = analysis.embedding
    return None if embedding is None else embedding.astype("<f2").tobytes()


def nearest(
    seeds: Iterable[bytes], candidates: Iterable[tuple[T, bytes]], *, to_mean: bool = False
) -> Iterator[T]:
    """Yield candidates in descending order of cosine similarity to the most similar seed.

    Embeddings of candidates are not kept in memory.

    Parameters
    ----------
    seeds : iterable of bytes
        Embeddings as returned by `track_embedding`, at least one.
    candidates : iterable of (candidate, bytes)
        What to yield, and its embedding.
    to_mean : bool
        Compare with the mean of the seeds instead.

    Examples
    --------
    >>> jazz, rock, metal = np.eye(3, 200).astype("<f2")
    >>> tracks = {"jazz": jazz.tobytes(), "rock": rock.tobytes(), "metal": metal.tobytes()}
    >>> list(nearest([rock.tobytes(), metal.tobytes()], tracks.items()))
    ['rock', 'metal', 'jazz']
    """
    wanted = _to_array(seeds)
    if to_mean:
        wanted = wanted.mean(axis=0, keepdims=True)
    found: list[T] = []
    similarities: list[NDArray[np.float32]] = []
    remaining = iter(candidates)
    while batch := [*islice(remaining, _BATCH)]:
        found += [candidate for candidate, _ in batch]
        embeddings = _to_array(embedding for _, embedding in batch)
        similarities.append((embeddings @ wanted.T).max(axis=1))
    if found:
        for index in np.argsort(-np.concatenate(similarities), kind="stable"):
            yield found[index]


def _to_array(embeddings: Iterable[bytes]) -> NDArray[np.float32]:
    packed = b"".join(embeddings)
    return np.frombuffer(packed, "<f2").reshape(-1, EMBEDDING_SIZE).astype(np.float32)
