"""What tells one recording from another, whatever its file is called and its tags say."""

from __future__ import annotations

import os
import re
from hashlib import blake2b
from io import FileIO
from pathlib import Path

from genremodel.audio.containers import EncodedAudio, find_audio
from genremodel.audio.decoding import PathLike

_SIZE = 16  # bytes
# Up to so much audio all of it is read; of more, both ends and samples between them.
_WHOLE = 1 << 21  # bytes
_SAMPLE = 1 << 15  # bytes
_END = 64  # this part of the audio at both ends
_LONG_END = 1 << 20  # bytes at both ends where FFmpeg cannot seek, and at most
_SAMPLES = 32
# Where samples hold silence or repeat themselves, others are taken, up to 2 to this power.
_DEEPEST = 8
_START = 64  # bytes of a sample that are looked for in the rest of it
# What changes in all Ogg pages when tags become longer: their numbers, and so their checksums.
_PAGE_NUMBERS = re.compile(rb"(OggS.{14}).{8}", re.S)
_PAGE_PART = 26  # bytes of the header of a page up to there


def audio_digest(path: PathLike) -> bytes:
    """Return a digest of a bounded sample of the encoded audio of a file, and of its length.

    The samples are spread over the whole recording. The digest stays the same when the file is
    tagged, given a picture, renamed or moved. Files without audio have one as well. Nothing is
    decoded, so a file that crashes the decoder can be recognized. Raises OSError.
    """
    with Path(os.fsdecode(path)).open("rb", buffering=0) as file:
        audio = find_audio(file)
        return _Sampler(file, audio).digest()


class _Sampler:
    def __init__(self, file: FileIO, audio: EncodedAudio) -> None:
        self._file = file
        self._audio = audio
        self._digest = blake2b(f"{audio.size}:".encode() + audio.facts, digest_size=_SIZE)

    def digest(self) -> bytes:
        size = self._audio.size
        if size <= _WHOLE:
            self._add(0, size)
            return self._digest.digest()
        end = min(max(size // _END, _SAMPLE), _LONG_END) if self._audio.seekable else _LONG_END
        informative = self._add(0, end) + self._add(size - end, end)
        # Halfway between the ends, then halfway between these, and so on.
        for depth in range(1, _DEEPEST + 1):
            if informative >= _SAMPLES:
                break
            parts = 1 << depth
            for part in range(1, parts, 2):
                informative += self._add((size - _SAMPLE) * part // parts, _SAMPLE)
        return self._digest.digest()

    def _add(self, start: int, size: int) -> bool:
        """Add a sample; return whether it is informative, unlike silence and loops."""
        content = self._read(start, size)
        self._digest.update(content)
        return content.find(content[:_START], 1) < 0

    def _read(self, start: int, size: int) -> bytes:
        """Return bytes of the audio without the numbers of pages."""
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
                    break  # the file has become shorter meanwhile
            start -= length
        return b"".join(parts)
