"""Styles: what the backbone says of a track in genre-like tags, beside its one genre.

Nothing that is labelled with styles was at hand. Their thresholds are fitted to no labels and no
figure tells how often they are right; they are hints, where the genre is a measured verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from genremodel.analysis import Analysis
from genremodel.models import bundled as assets


@dataclass(frozen=True)
class Style:
    """A genre-like tag of the backbone.

    name: lower case. column: that of its tag among the activations. threshold: the mean activation
    from which on a track has the style, above 0.
    """

    name: str
    column: int
    threshold: float


def bundled_styles() -> tuple[Style, ...]:
    """Return the styles that `model.json` keeps, in the order of their names."""
    model = assets.description()
    return tuple(
        Style(name, model["tags"].index(style["tag"]), style["threshold"])
        for name, style in sorted(model["styles"].items())
    )


def track_styles(analysis: Analysis, styles: Sequence[Style], limit: int) -> tuple[str, ...]:
    """Return the names of at most `limit` styles of a track; none of one that is silent.

    A style is there when the mean activation of
    its tag over the audible windows reaches its threshold; first is what exceeds it most, by ratio.
    """
    if not styles or not analysis.audible.any():
        return ()
    means = analysis.activations[analysis.audible].mean(axis=0, dtype="float64")
    strengths = {style.name: means[style.column] / style.threshold for style in styles}
    present = (name for name, strength in strengths.items() if strength >= 1)
    return tuple(sorted(present, key=lambda name: -strengths[name])[:limit])


def album_styles(tracks: Collection[Sequence[str]], limit: int) -> tuple[str, ...]:
    """Return at most `limit` styles that half of an album's tracks have, most common first.

    tracks: the styles of each.
    """
    counts = Counter(style for styles in tracks for style in styles)
    return tuple(style for style, n in counts.most_common(limit) if 2 * n >= len(tracks))
