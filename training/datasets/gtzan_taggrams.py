"""MSD-musicnn's output on the 30-second tracks of GTZAN's fault-filtered training split.

Source: `gtzan-taggrams/train.npz`, arrays `activations` (rows, 50), `track` and `genre` (rows,); a
row is a 3-second window, hop 1 s. Artists: `gtzan-artists.csv`, numbered by J. H. Foleis from
B. L. Sturm's annotations. `python -m training evaluate --activations` reads the same format.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, TAGS, NetworkOutputs
from training.datasets.track import DataError, genre_name
from training.window_table import WindowTable

_ARRAYS = ("activations", "track", "genre")


def load(folder: Path) -> WindowTable:
    """Return the training rows of a data folder, grouped by artist."""
    rows = read(folder / "gtzan-taggrams" / "train.npz")
    artists = read_artists(folder)
    names = rows.tracks.name.tolist()
    return rows.with_tracks(group=np.array([artists.get(name, name) for name in names]))


def read(path: Path) -> WindowTable:
    """Return the rows of one file; each track is its own group. Raises DataError."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError) as exc:
        raise DataError(f"{path}: {exc}") from exc
    shape = (len(arrays["track"]), TAGS)
    if arrays["activations"].shape != shape or len(arrays["genre"]) != shape[0]:
        raise DataError(f"{path}: expected {TAGS} activations, a track and a genre per row")
    track = arrays["track"].astype(str)
    genre = np.array([genre_name(name) for name in arrays["genre"].astype(str).tolist()])
    unknown = (
        np.full((len(track), size), np.nan, np.float32)
        for size in (EMBEDDING_SIZE, TAGS, EMBEDDING_SIZE)
    )
    values = NetworkOutputs(arrays["activations"].astype(np.float32), *unknown).join()
    return WindowTable.from_rows(values, track, genre, track, "song")


def read_artists(folder: Path) -> dict[str, str]:
    """Return the known artists of GTZAN tracks."""
    try:
        with (folder / "gtzan-artists.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as exc:
        raise DataError(f"{exc.filename}: {exc.strerror}") from exc
    return {row["track"]: f"artist {row['artist_id']}" for row in rows if row["artist_id"]}
