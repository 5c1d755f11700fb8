"""Files with tags of the user, which undo must restore."""

from __future__ import annotations

from pathlib import Path

import mutagen
from mediafile import Image, MediaFile
from mutagen.id3 import TYER

from tests.conftest import Beets
from tests.tags import every_tag

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000"
    "00030101003b2e5a9c0000000049454e44ae426082"
)


def tags_of(beets: Beets) -> dict[Path, list[tuple[str, str]]]:
    return {path: every_tag(path) for path in beets.files()}


def add_tags(path: Path) -> None:
    """Add genres, other tags and a picture."""
    media = MediaFile(path, id3v23=path.name == "v23.mp3")
    media.update({"title": path.stem, "comments": "bought in 1998", "lyrics": "la", "bpm": 120})
    media.genres = ["Old School", "Polka"]
    if not path.name.endswith(".ape"):
        media.images = [Image(PIXEL, desc="front")]
    media.save()
    file = mutagen.File(path)
    if file.tags.__class__.__name__ == "APEv2":  # as most programs spell it
        file["Genre"] = [*file.pop("GENRE")]
        file.save()
    elif path.suffix == ".flac":
        file["Genre"] = file.pop("genre")
        file.save()
    elif path.name == "v23.mp3":
        file.tags["TCON"].encoding = 1
        file.tags.add(TYER(encoding=0, text=["1998"]))
        file.save(v2_version=3)
