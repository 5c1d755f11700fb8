"""Tags of files as plain mutagen reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mutagen

OURS = ("predicted_genre", "genre_confidence", "genre_model")
_GENRE_KEYS = ("TCON", "GENRE", "\xa9GEN", "WM/GENRE")


def plain_tags(path: Path) -> dict[str, list[str]]:
    """Return every tag as a list of strings; keys without their container's prefix."""
    tags: dict[str, list[str]] = {}
    for key, value in dict(mutagen.File(path).tags or {}).items():
        name = "genre" if key.upper() in _GENRE_KEYS else key.split(":")[-1]
        values = value.text if hasattr(value, "text") else value
        tags[name] = [_text(part) for part in (values if isinstance(values, list) else [values])]
    return tags


def our_tags(path: Path) -> dict[str, str]:
    """Return the tags that a prediction leaves, each with its one value."""
    ours = {name: values for name, values in plain_tags(path).items() if name.lower() in OURS}
    assert all(len(values) == 1 and values[0] for values in ours.values()), ours
    return {name.lower(): values[0] for name, values in ours.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
