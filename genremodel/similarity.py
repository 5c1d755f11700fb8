"""What sounds alike: tracks whose embeddings point the same way.

By the cosine of mean embeddings, music of the same genre by other artists is found far more often
than by tag logits on GTZAN, and about as often on Emotify; `benchmarks/learning.py` measures it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, Analysis


def place(analysis: Analysis) -> bytes | None:
    """Return where a track lies: the direction of its mean embedding, as float16.

    analysis: by the networks. None of a track that is silent.
    """
    embedding = analysis.embedding
    return None if embedding is None else embedding.astype("<f2").tobytes()


def nearest(seeds: Iterable[bytes], places: Iterable[bytes]) -> NDArray[np.intp]:
    """Return the indices of all places, first those nearest to what the seeds have in common."""
    wanted = _vectors(seeds).mean(axis=0)
    return np.argsort(-(_vectors(places) @ wanted), kind="stable")


def _vectors(places: Iterable[bytes]) -> NDArray[np.float32]:
    packed = b"".join(places)
    return np.frombuffer(packed, "<f2").reshape(-1, EMBEDDING_SIZE).astype(np.float32)
