"""Writes a prediction into a file and leaves every other tag as it is.

`Item.write()` would write all that the database knows of the track.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mediafile import MediaFile, mutagen_call
from mutagen.id3 import ID3


def write_prediction(
    path: Path, values: Mapping[str, object], genres: Sequence[str], *, id3v23: bool
) -> bool:
    """Set the media fields `values`, and `genres` where the file has none; tell if that changed it.

    An empty value deletes its tag. id3v23: the version of ID3 tags that are new; existing
    ones keep theirs. Raises mediafile.UnreadableFileError when the file cannot be read or written.
    """
    media = MediaFile(str(path))
    tags = media.mgfile.tags
    options: dict[str, Any] = {}
    if isinstance(tags, ID3):
        version = tags.version[:2] if tags.size else None  # None: there is no ID3v2 tag yet
        if version in ((2, 3), (2, 4)):
            # mutagen makes ID3v2.4 of what it reads, and frames are lost on the way back to 2.3.
            mutagen_call("open", path, media.mgfile.load, str(path), translate=False)
        keep_23 = version == (2, 3) if version else id3v23
        options = {"v2_version": 3 if keep_23 else 4, "v23_sep": None}
    wanted = {name: None if value == "" else value for name, value in values.items()}
    if genres and not media.genres:
        wanted["genres"] = list(genres)
    changed = {name: value for name, value in wanted.items() if getattr(media, name) != value}
    if changed:
        media.update(changed)
        media.save(**options)
    return bool(changed)
