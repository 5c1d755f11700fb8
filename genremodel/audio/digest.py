"""Digests that identify the audio of a file regardless of its name and tags."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import blake2b
from io import FileIO
from pathlib import Path

from genremodel.audio.containers import EncodedAudio, find_audio
from genremodel.audio.decoding import PathLike

DIGEST_SIZE = 16  # bytes
_END = 64  # this fraction of the audio is read at both ends
_MIN_SAMPLES = 32
# If samples are silent or repeat themselves, more are read, up to 2 to this power.
_MAX_DEPTH = 8
_START = 64  # bytes of a sample to look for in the rest of it
# The parts of Ogg pages that change when tags grow: page numbers, and with them checksums.
_PAGE_NUMBERS = re.compile(rb"(OggS.{14}).{8}", re.S)
_PAGE_PART = 26  # bytes of a page header up to there


@dataclass(frozen=True)
class Sampling:
    """How much of a file to read for a digest, in bytes.

    Parameters
    ----------
    whole : int
        Audio up to this size is read completely; of larger audio, both ends and samples in between.
    sample : int
        Size of each sample.
    max_end : int
        Size of both ends if FFmpeg cannot seek in the format, and at most otherwise.
    """

    whole: int = 1 << 21
    sample: int = 1 << 15
    max_end: int = 1 << 20


def audio_digest(path: PathLike, sampling: Sampling = Sampling()) -> bytes:
    """Return a digest of the length of the encoded audio of a file, and of samples of it.

    The samples are spread over the whole recording. Tagging, adding a picture, renaming and moving
    the file do not change the digest. Files without audio have a digest too. Nothing is decoded, so
    that a file that crashes the decoder can be recognized.

    Parameters
    ----------
    path
        The file.
    sampling : Sampling
        How much to read.

    Returns
    -------
    bytes
        16 bytes.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with Path(os.fsdecode(path)).open("rb", buffering=0) as file:
        return _Digester(file, find_audio(file), sampling).digest()


class _Digester:
    """The digest of a file while it is computed."""

    def __init__(self, file: FileIO, audio: EncodedAudio, sampling: Sampling) -> None:
        self._file = file
        self._audio = audio
        self._sampling = sampling
        self._digest = blake2b(f"{audio.size}:".encode() + audio.facts, digest_size=DIGEST_SIZE)

    def digest(self) -> bytes:
        size = self._audio.size
        sample, max_end = self._sampling.sample, self._sampling.max_end
        if size <= self._sampling.whole:
            self._add(0, size)
            return self._digest.digest()
        end = min(max(size // _END, sample), max_end) if self._audio.seekable else max_end
        informative = self._add(0, end) + self._add(size - end, end)
        # In the middle, then in the middle of both halves, and so on.
        for depth in range(1, _MAX_DEPTH + 1):
            if informative >= _MIN_SAMPLES:
                break
            parts = 1 << depth
            for part in range(1, parts, 2):
                informative += self._add((size - sample) * part // parts, sample)
        return self._digest.digest()

    def _add(self, start: int, size: int) -> bool:
        """Add a sample. Return True if it is informative, unlike silence and loops."""
        content = self._read(start, size)
        self._digest.update(content)
        return content.find(content[:_START], 1) < 0

    def _read(self, start: int, size: int) -> bytes:
        """Return bytes of the audio with page numbers zeroed."""
        if not self._audio.paged:
            return self._read_extents(start, size)
        before = min(start, _PAGE_PART)
        content = self._read_extents(start - before, before + size + _PAGE_PART)
        content = _PAGE_NUMBERS.sub(rb"\1" + bytes(8), content)
        return content[before : before + size]

    def _read_extents(self, start: int, size: int) -> bytes:
        parts = []
        for first, end in self._audio.extents:
            length = end - first
            if start < length and size > 0:
                self._file.seek(first + start)
                part = self._file.read(min(size, length - start))
                parts.append(part)
                size -= len(part)
                start += len(part)
                if start < length and size > 0:
                    break  # the file was truncated in the meantime
            start -= length
        return b"".join(parts)
