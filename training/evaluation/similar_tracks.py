"""Compare similar tracks by few windows with those by all windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import NetworkOutputs
from genremodel.audio.places import DEFAULT_WINDOWS, FIRST_WINDOWS, chosen_places
from training.window_table import WindowTable

NEIGHBORS = 10  # similar tracks


def measure(table: WindowTable) -> dict[str, Any]:
    """Return how similar tracks by the first windows differ from those by all.

    Tracks with fewer than ten windows are left out. See `compare` for the figures.
    """
    genre, artist, members = table.by_track()
    kept = [index for index, rows in enumerate(members) if len(rows) == DEFAULT_WINDOWS]
    windows = np.stack([table.values[members[index]] for index in kept])
    first = windows[:, chosen_places(FIRST_WINDOWS, DEFAULT_WINDOWS)]
    return compare(_embeddings(first), _embeddings(windows), genre[kept], artist[kept])


def _embeddings(windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the embeddings of tracks of so many windows, (tracks, windows, values)."""
    parts = NetworkOutputs.split(windows.mean(axis=1, dtype=np.float64))
    lengths = np.linalg.norm(parts.embeddings, axis=1, keepdims=True)
    return np.asarray(parts.embeddings / lengths, np.float64)


def compare(
    first: NDArray[np.float64],
    every: NDArray[np.float64],
    genre: NDArray[np.str_],
    artist: NDArray[np.str_],
) -> dict[str, Any]:
    """Return the figures of similar tracks by two embeddings of each track.

    first, every: (tracks, EMBEDDING_SIZE) normalized, by the first windows and by all.

    Returns the number of tracks; the mean cosine of the embeddings of a track, and of a track and
    the most similar other one; the shares of tracks with the same most similar one, and of similar
    tracks that are the same. Then of similar tracks by other artists, the share with the genre of
    the track, by all windows and by the first.
    """
    tracks = np.arange(len(genre))
    is_own = np.equal.outer(tracks, tracks)
    by_every, by_first = _similar(every, is_own), _similar(first, is_own)
    nearest = (every * every[by_every[:, 0]]).sum(axis=1)
    figures = {
        "tracks": len(tracks),
        "cosine": (first * every).sum(axis=1).mean(),
        "nearest_cosine": nearest.mean(),
        "same_nearest": (by_first[:, 0] == by_every[:, 0]).mean(),
        "same": np.mean([np.isin(*both).mean() for both in zip(by_first, by_every, strict=True)]),
    }
    is_by_artist = np.equal.outer(artist, artist)
    for name, embeddings in (("genre_by_every", every), ("genre_by_first", first)):
        similar = _similar(embeddings, is_by_artist)
        figures[name] = (genre[similar] == genre[:, np.newaxis]).mean()
    return figures


def _similar(embeddings: NDArray[np.float64], is_excluded: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the most similar tracks of each track that are not excluded, (tracks, NEIGHBORS)."""
    cosine = np.where(is_excluded, -np.inf, embeddings @ embeddings.T)
    return np.argsort(-cosine, axis=1, kind="stable")[:, :NEIGHBORS]
