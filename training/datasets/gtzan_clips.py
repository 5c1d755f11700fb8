"""Short excerpts of GTZAN's fault-filtered training and validation tracks, as raw audio.

`NAME.flac` 2 to 3 s, `NAME.long.ogg` 15 to 20 s, listed in `index.csv` with genre, track, split.
Known problem: the short clips are harder than whole songs, so the accuracy on the 93 short and 51
long validation clips does not show that on complete tracks.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from training.datasets.gtzan_taggrams import read_artists
from training.datasets.index_csv import read_index
from training.datasets.track import Track


def load(folder: Path) -> list[Track]:
    """Return the clips of both splits; clips of a song by an unknown artist have the same group."""
    artists = read_artists(folder)
    return [
        replace(track, artist=artists.get(song, song))
        for track, song in read_index(folder / "gtzan-clips")
    ]
