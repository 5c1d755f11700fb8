"""Write tracks as an extended M3U playlist."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from logging import Logger
from pathlib import Path

from beets.exceptions import UserError
from beets.library import Item

from genremodel.output_files import OutputError, OutputFile

STDOUT = "-"
_HEADER = b"#EXTM3U"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Playlist:
    """A playlist file, new or in the place of another playlist, or standard output.

    target: the file, or `STDOUT`. Raises UserError where it must not or cannot be written.
    """

    def __init__(self, target: str, log: Logger) -> None:
        self._file = None
        self._log = log
        if target != STDOUT:
            self._file = OutputFile(Path(target), "a playlist", _is_playlist)
            with _user_errors():
                self._file.check()

    def write(self, tracks: Sequence[Item]) -> None:
        """Write the tracks, without those with a line break in their path. Raises UserError.

        Paths in a file are relative to its folder, those on standard output are absolute.
        """
        folder = self._file and os.fsencode(self._file.file.parent.resolve())
        lines = [_HEADER]
        for track in tracks:
            if b"\n" in track.path or b"\r" in track.path:
                name = os.fsdecode(track.path)
                self._log.warning("{!r}: left out of the playlist: its path has a line break", name)
                continue
            path = _relative(track.path, folder) if folder else track.path
            lines += [_information(track), path]
        content = b"".join(line + b"\n" for line in lines)
        if self._file is None:
            _write_to_stdout(content)
            return
        with _user_errors():
            self._file.write(content)


@contextmanager
def _user_errors() -> Iterator[None]:
    try:
        yield
    except OutputError as exc:
        raise UserError(str(exc)) from exc


def _write_to_stdout(content: bytes) -> None:
    """Write bytes, because paths may have any encoding. Raises UserError."""
    if sys.stdout is None:
        raise UserError("standard output is closed")
    try:
        # With a buffer of its own: Python would write the rest of sys.stdout's again when it exits.
        with open(sys.stdout.fileno(), "wb", closefd=False) as stdout:
            stdout.write(content)
    except BrokenPipeError:  # the reader has ended; beets ends silently
        raise
    except OSError as exc:
        raise UserError(f"standard output: {exc.strerror}") from exc


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
