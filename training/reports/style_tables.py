"""The tables of the model card about styles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from genremodel.style_hierarchy import styles_after_genre, styles_by_genre
from training.reports.markdown import number, rows, with_interval

Figures: TypeAlias = Mapping[str, Any]


def style_hierarchy() -> str:
    """Return the rows of the styles that fit each genre."""
    by_genre = styles_by_genre()
    return rows((genre, ", ".join(sorted(by_genre[genre])) or "-") for genre in sorted(by_genre))


def style_labels(labeled: Figures) -> str:
    """Return the rows of each style and dataset with labels, then those of styles without."""
    found = [
        (
            of["style"],
            f"{of['dataset']}: {', '.join(of['label'])}",
            of["tracks"],
            of["artists"],
            *(with_interval(of, name) for name in ("auc", "precision", "recall")),
        )
        for of in labeled["labels"]
    ]
    return rows(found + [(style, *"------") for style in labeled["unlabeled"]])


def styles_after(labeled: Figures) -> str:
    """Return the rows of the styles that may stand after a genre."""
    by_genre = styles_by_genre()
    return rows(
        (
            of["style"],
            ", ".join(sorted(genre for genre in by_genre if of["style"] in by_genre[genre])),
            f"{styles_after_genre()[of['style']]:.2f}",
            number(of["tracks"], ".0f"),
            number(of["artists"], ".0f"),
            *(with_interval(of, name) for name in ("genre", "parent")),
            number(of["labeled"], ".0f"),
            *(with_interval(of, name) for name in ("label", "without")),
        )
        for of in labeled["after_genre"]
    )
