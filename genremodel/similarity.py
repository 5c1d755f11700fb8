"""Find similar tracks: cosine similarity of their mean embeddings.

On GTZAN the nearest tracks by other artists share the genre far more often than with tag logits, on
Emotify about as often: see `benchmarks/custom_genres.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, Analysis


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


def nearest(seeds: Iterable[bytes], embeddings: Iterable[bytes]) -> NDArray[np.intp]:
    """Return the indices of all embeddings in descending order of similarity to the mean seed.

    Parameters
    ----------
    seeds, embeddings : iterable of bytes
        As returned by `track_embedding`, at least one each.

    Examples
    --------
    >>> jazz, rock = np.eye(2, 200).astype("<f2")
    >>> nearest([jazz.tobytes()], [rock.tobytes(), jazz.tobytes()])
    array([1, 0])
    """
    wanted = _to_array(seeds).mean(axis=0)
    return np.argsort(-(_to_array(embeddings) @ wanted), kind="stable")


def _to_array(embeddings: Iterable[bytes]) -> NDArray[np.float32]:
    packed = b"".join(embeddings)
    return np.frombuffer(packed, "<f2").reshape(-1, EMBEDDING_SIZE).astype(np.float32)
