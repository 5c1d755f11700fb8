"""Which tags of the backbone are styles, and from which activation on a track has one."""

from __future__ import annotations

from typing import Any

import numpy as np

from genremodel.analysis import NetworkOutputs
from training.musicnn import network as musicnn
from training.tables import Rows

# Its other tags are the genres of the model itself, moods, voices, instruments and decades.
_TAGS = {
    "acoustic": "acoustic",
    "alternative": "alternative",
    "alternative rock": "alternative rock",
    "ambient": "ambient",
    "chillout": "chillout",
    "classic rock": "classic rock",
    "dance": "dance",
    "electro": "electro",
    "electronica": "electronica",
    "experimental": "experimental",
    "folk": "folk",
    "funk": "funk",
    "hard rock": "hard rock",
    "heavy metal": "heavy metal",
    "house": "House",
    "indie": "indie",
    "indie pop": "indie pop",
    "indie rock": "indie rock",
    "progressive rock": "Progressive rock",
    "punk": "punk",
    "r&b": "rnb",
    "soul": "soul",
}
# Both by judgement, as there are no labels to choose them on: one track in ten of a collection of
# eleven genres is about as many as one genre has, and an activation is the backbone's probability
# that a listener gave the tag, so that less than 0.1 says rather that nobody did.
_QUANTILE = 0.9
_FLOOR = 0.1


def style_thresholds(rows: Rows) -> dict[str, dict[str, Any]]:
    """Return tag and threshold of each style. rows: outputs of the networks.

    The threshold is a high quantile of the mean activation over the tracks, but at least a floor.
    """
    _, _, members = rows.by_track()
    activations = NetworkOutputs.split(rows.values).activations
    means = np.stack([activations[track].mean(axis=0) for track in members])
    quantiles = np.quantile(means, _QUANTILE, axis=0)
    return {
        name: {
            "tag": tag,
            "threshold": round(max(float(quantiles[musicnn.TAGS.index(tag)]), _FLOOR), 3),
        }
        for name, tag in _TAGS.items()
    }
