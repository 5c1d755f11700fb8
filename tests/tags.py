"""Tags of files as plain mutagen reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import mutagen
from mutagen.apev2 import APETextValue

OURS = (
    "predicted_genre", "genre_confidence", "genre_model", "predicted_styles", "genre_scope",
)  # fmt: skip
_GENRE_KEYS = ("TCON", "GENRE", "\xa9GEN", "WM/GENRE")


def plain_tags(path: Path) -> dict[str, list[str]]:
    """Return every tag as a list of strings; keys without their container's prefix."""
    tags: dict[str, list[str]] = {}
    for key, value in dict(mutagen.File(path).tags or {}).items():
        name = "genre" if key.upper() in _GENRE_KEYS else key.split(":")[-1]
        values = value.text if hasattr(value, "text") else value
        several = isinstance(values, (list, APETextValue))
        tags[name] = [_text(part) for part in (values if several else [values])]
    return tags


def every_tag(path: Path) -> list[tuple[str, str]]:
    """Return all that mutagen reads of a file's tags, encodings, pictures and ID3 version too."""
    file = mutagen.File(path)
    tags = file.tags or {}
    found = [(key, repr(value)) for key, value in dict(tags).items()]
    pictures = [("picture", repr(picture.data)) for picture in getattr(file, "pictures", [])]
    version = [("version", repr(tags.version))] if tags and hasattr(tags, "version") else []
    return sorted(found + pictures + version)


def audio_bytes(path: Path) -> bytes:
    """Return the encoded audio of a file."""
    if path.suffix == ".ape":  # FFmpeg counts the tag as audio
        return path.read_bytes().partition(b"APETAGEX")[0]
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.audio[0])
        return b"".join(bytes(packet) for packet in packets)


def our_tags(path: Path) -> dict[str, str]:
    """Return the tags that a prediction leaves: each has one value, but there are several styles.

    They are joined as beets shows them.
    """
    tags = plain_tags(path).items()
    ours = {name.lower(): values for name, values in tags if name.lower() in OURS}
    assert all(values and all(values) for values in ours.values()), ours
    assert all(len(values) == 1 for name, values in ours.items() if name != "predicted_styles")
    return {name: "; ".join(values) for name, values in ours.items()}


def is_ours(key: str) -> bool:
    ours = ("tcon", "genre", "\xa9gen", "wm/genre")
    return key.lower() in ours or "predicted_" in key.lower() or "genre_" in key.lower()


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
