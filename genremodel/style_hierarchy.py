"""The styles that fit each genre, and those that may stand after it: `style_hierarchy.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml


def styles_by_genre() -> Mapping[str, frozenset[str]]:
    """Return the styles that fit each genre of the bundled model.

    Examples
    --------
    >>> sorted(styles_by_genre()["country"])
    ['acoustic', 'folk']
    """
    return {genre: frozenset(styles) for genre, styles in _hierarchy()["genres"].items()}


def styles_after_genre() -> Mapping[str, float]:
    """Return the styles that may stand after a genre that they fit, with their thresholds.

    Examples
    --------
    >>> [*styles_after_genre()]
    ['dance', 'electronica', 'heavy metal', 'indie', 'r&b']
    """
    thresholds: dict[str, float] = _hierarchy()["after_genre"]
    return thresholds


def fitting_styles(styles: Iterable[str], genres: Iterable[str]) -> tuple[str, ...]:
    """Return the styles that do not contradict a genre, in the same order.

    Parameters
    ----------
    styles : iterable of str
        Names that are no styles of the bundled model contradict no genre.
    genres : iterable of str
        The genres of the bundled model that the genre belongs to. Without one, no style
        contradicts it.

    Examples
    --------
    >>> fitting_styles(["ambient", "folk", "house"], ["electronic"])
    ('ambient', 'house')
    >>> fitting_styles(["ambient", "folk"], [])
    ('ambient', 'folk')
    """
    by_genre = styles_by_genre()
    fitting = [by_genre[genre] for genre in genres if genre in by_genre]
    if not fitting:
        return tuple(styles)
    contradicting = frozenset[str]().union(*by_genre.values()).difference(*fitting)
    return tuple(style for style in styles if style not in contradicting)


def style_after(genre: str, styles: Iterable[str]) -> str | None:
    """Return the first style that may stand after a genre; None if there is none.

    Parameters
    ----------
    genre : str
        The predicted one. No style stands after a genre that is not one of the bundled model.
    styles : iterable of str
        Those of the track.

    Examples
    --------
    >>> style_after("metal", ["punk", "heavy metal"])
    'heavy metal'
    """
    candidates = styles_after_genre().keys() & styles_by_genre().get(genre.lower(), frozenset())
    return next((style for style in styles if style in candidates), None)


@cache
def _hierarchy() -> dict[str, Any]:
    text = Path(__file__).with_name("style_hierarchy.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
