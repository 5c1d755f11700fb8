"""The backbone tags that are styles, and their activation thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

from genremodel.analysis import NetworkOutputs
from genremodel.style_hierarchy import styles_after_genre
from training.musicnn import network as musicnn
from training.window_table import WindowTable

# The other tags are the genres of the model, moods, voices, instruments and decades.
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
    "indie rock": "indie rock",
    "punk": "punk",
    "r&b": "rnb",
    "soul": "soul",
}
# Neither is tuned. One track in ten is about as many as one of eleven genres has. An activation is
# the probability that a listener gave the tag: below 0.1 it is more likely that no listener did.
_QUANTILE = 0.9
_FLOOR = 0.1


def style_thresholds(table: WindowTable) -> dict[str, dict[str, Any]]:
    """Return tag and threshold of each style. table: outputs of the networks.

    The threshold is a high quantile of the tracks' mean activations, but at least a floor. Styles
    that may stand after a genre have measured ones.
    """
    _, _, members = table.by_track()
    activations = NetworkOutputs.split(table.values).activations
    means = np.stack([activations[track].mean(axis=0) for track in members])
    quantiles = np.quantile(means, _QUANTILE, axis=0)
    thresholds = {
        name: round(max(float(quantiles[musicnn.TAGS.index(tag)]), _FLOOR), 3)
        for name, tag in _TAGS.items()
    }
    thresholds.update(styles_after_genre())
    return {name: {"tag": tag, "threshold": thresholds[name]} for name, tag in _TAGS.items()}
