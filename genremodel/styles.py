"""Styles: genre-like tags of MSD-musicnn, in addition to the genre.

The model card has their accuracy, as far as there are labels to measure it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genremodel.analysis import Analysis
from genremodel.models import bundled
from genremodel.style_hierarchy import styles_after_genre


@dataclass(frozen=True)
class Style:
    """A genre-like tag of MSD-musicnn.

    Parameters
    ----------
    name : str
        In lower case.
    column : int
        The index of the tag among the activations.
    threshold : float
        A track has the style if its mean activation reaches this value, which is greater than 0.
    """

    name: str
    column: int
    threshold: float


def bundled_styles() -> tuple[Style, ...]:
    """Return the styles of the bundled model in alphabetical order.

    Raises
    ------
    ModelError
        If `model.json` cannot be read.

    Examples
    --------
    >>> [style.name for style in bundled_styles()][:3]
    ['acoustic', 'alternative', 'alternative rock']
    """
    return described_styles(bundled.description())


def described_styles(model: Mapping[str, Any]) -> tuple[Style, ...]:
    """Return the styles of a model in alphabetical order. model: the content of `model.json`.

    Examples
    --------
    >>> styles = {"r&b": {"tag": "rnb", "threshold": 0.1}}
    >>> described_styles({"tags": ["rock", "rnb"], "styles": styles})
    (Style(name='r&b', column=1, threshold=0.1),)
    """
    return tuple(
        Style(name, model["tags"].index(style["tag"]), style["threshold"])
        for name, style in sorted(model["styles"].items())
    )


def track_styles(analysis: Analysis, styles: Sequence[Style]) -> tuple[str, ...]:
    """Return the names of the styles that a track has, whether or not they fit its genre.

    Those that may stand after a genre come first, then the others, each in descending order of
    activation / threshold.

    Parameters
    ----------
    analysis : Analysis
        By the CNN. The mean activations of the audible windows are compared to the thresholds; a
        silent track has no styles.
    styles : sequence of Style
        The styles to look for.

    Examples
    --------
    >>> import numpy as np
    >>> analysis = Analysis(np.zeros(1), np.ones(1, bool), np.full((1, 500), 0.5, np.float16))
    >>> track_styles(analysis, [Style("folk", 0, 0.4), Style("soul", 1, 0.2)])
    ('soul', 'folk')
    """
    if not styles or not analysis.audible.any():
        return ()
    means = analysis.activations[analysis.audible].mean(axis=0, dtype="float64")
    strengths = {style.name: means[style.column] / style.threshold for style in styles}
    present = (name for name, strength in strengths.items() if strength >= 1)
    first = styles_after_genre()
    return tuple(sorted(present, key=lambda name: (name not in first, -strengths[name])))


def album_styles(tracks: Collection[Sequence[str]], limit: int) -> tuple[str, ...]:
    """Return the styles that at least half of the tracks of an album have, most common first.

    Parameters
    ----------
    tracks : collection of sequences of str
        The styles of each track.
    limit : int
        The maximum number of styles.

    Examples
    --------
    >>> album_styles([("folk",), ("punk", "folk"), ()], limit=2)
    ('folk',)
    """
    counts = Counter(style for styles in tracks for style in styles)
    return tuple(style for style, n in counts.most_common(limit) if 2 * n >= len(tracks))
