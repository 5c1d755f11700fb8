"""Write tracks as an extended M3U playlist."""

from __future__ import annotations

import os
from collections.abc import Sequence
from logging import Logger
from pathlib import Path

from beets.exceptions import UserError
from beets.library import Item

from genremodel.output_files import OutputError, OutputFile

_HEADER = b"#EXTM3U"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Playlist:
    """A playlist file, new or in the place of another playlist.

    Raises UserError where it must not or cannot be written.
    """

    def __init__(self, file: str, log: Logger) -> None:
        self._output = OutputFile(Path(file), "a playlist", _is_playlist)
        self._log = log
        try:
            self._output.check()
        except OutputError as exc:
            raise UserError(str(exc)) from exc

    def write(self, tracks: Sequence[Item]) -> None:
        """Write the tracks, without those with a line break in their path. Raises UserError."""
        folder = os.fsencode(self._output.file.parent.resolve())
        lines = [_HEADER]
        for track in tracks:
            if b"\n" in track.path or b"\r" in track.path:
                path = os.fsdecode(track.path)
                self._log.warning("{!r}: left out of the playlist: its path has a line break", path)
                continue
            lines += [_information(track), _relative(track.path, folder)]
        try:
            self._output.write(b"".join(line + b"\n" for line in lines))
        except OutputError as exc:
            raise UserError(str(exc)) from exc


def _is_playlist(beginning: bytes) -> bool:
    return beginning.removeprefix(_BYTE_ORDER_MARK).startswith(_HEADER)


def _information(track: Item) -> bytes:
    """Return the line with the length, artist and title of a track."""
    name = " - ".join(text for text in (track.artist, track.title) if text)
    seconds = round(track.length or 0) or -1  # -1: unknown
    line = f"#EXTINF:{seconds},{name or os.fsdecode(os.path.basename(track.path))}"  # noqa: PTH119
    return " ".join(line.split()).encode(errors="replace")


def _relative(path: bytes, folder: bytes) -> bytes:
    """Return a path relative to a folder. folder: resolved, because `..` ignores symbolic links."""
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # on another drive of Windows
        return path
    # A path that begins with these would be a comment, or be trimmed.
    return b"./" + relative if relative[:1] in (b"#", b" ", b"\t") else relative
