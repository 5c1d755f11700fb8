from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import OUTPUT_SIZE, TAGS
from training.musicnn import network as musicnn
from training.style_thresholds import style_thresholds
from training.window_table import WindowTable


def _table(values: NDArray[np.float32], names: NDArray[np.str_]) -> WindowTable:
    return WindowTable.from_rows(values, names, names, names, "song")


def test_thresholds_are_a_quantile_of_tracks_and_at_least_the_floor() -> None:
    """However many windows each track has."""
    tracks = np.repeat(np.arange(11), np.arange(1, 12))
    values = np.zeros((len(tracks), TAGS), np.float32)
    folk, soul = musicnn.TAGS.index("folk"), musicnn.TAGS.index("soul")
    values[:, folk] = tracks / 20
    values[:, soul] = tracks / 200
    values[tracks == 0, musicnn.TAGS.index("punk")] = 1  # one track of eleven
    names = tracks.astype(str)
    found = style_thresholds(_table(np.pad(values, ((0, 0), (0, OUTPUT_SIZE - TAGS))), names))
    assert found["folk"] == {"tag": "folk", "threshold": 0.45}
    assert found["soul"] == {"tag": "soul", "threshold": 0.1}
    assert found["punk"] == {"tag": "punk", "threshold": 0.1}
    assert found["r&b"]["tag"] == "rnb"
    assert {style["tag"] for style in found.values()} <= set(musicnn.TAGS)
