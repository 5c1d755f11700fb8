"""Locate the encoded audio in a file, without the tags before, after and between it.

Only the framing of containers is parsed. Nothing is decoded, so that no decoder can fail here.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from typing import NamedTuple, TypeAlias

# A file with more chunks, atoms, blocks or pages is considered damaged.
_MAX_PARTS = 1 << 16
_MAX_READ = 1 << 24  # bytes of one sample table
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_SAMPLE_TABLES = ("moov", "trak", "mdia", "minf", "stbl")
_CHUNK_OFFSETS = ("stco", "co64")  # these change with tags before the audio
_PAGE_HEADER = 27  # bytes, before the lengths of its segments
_UNKNOWN_SIZE = 0xFFFFFFFF
# Musepack and Monkey's Audio: FFmpeg cannot seek in them.
_UNSEEKABLE = (b"MPCK", b"MP+", b"MAC ")

Extent: TypeAlias = "tuple[int, int]"


@dataclass(frozen=True)
class EncodedAudio:
    """The location of the encoded audio in a file.

    Parameters
    ----------
    facts : bytes
        Parts of the container that depend on the audio only: its format and length.
    extents : tuple of Extent
        Start and end offset of each part of the audio.
    paged : bool
        True for Ogg pages, whose numbers change with the size of tags before them.
    seekable : bool
        True if FFmpeg can seek in the format.
    """

    facts: bytes
    extents: tuple[Extent, ...]
    paged: bool = False
    seekable: bool = True

    @property
    def size(self) -> int:
        """Number of bytes of encoded audio."""
        return sum(end - start for start, end in self.extents)


class _Part(NamedTuple):
    """A chunk, atom or object, with start and end offset of its content."""

    name: bytes
    start: int
    end: int


class _Reader:
    """Random access to a file. Raises ValueError if the file ends too early."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)

    def peek(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes, none if the offset is negative."""
        if start < 0:
            return b""
        self._file.seek(start)
        return self._file.read(size)

    def read(self, start: int, size: int) -> bytes:
        """Return exactly `size` bytes."""
        content = self.peek(start, size) if 0 <= size <= _MAX_READ else b""
        if len(content) != size:
            raise ValueError("the file is too short, or a table is too large")
        return content

    def unpack(self, form: str, start: int) -> tuple[int, ...]:
        """Return numbers in a format of `struct`."""
        return struct.unpack(form, self.read(start, struct.calcsize(form)))


_Finder: TypeAlias = "Callable[[_Reader, int, int], EncodedAudio]"


def find_audio(file: FileIO) -> EncodedAudio:
    """Return the location of the encoded audio in a file.

    In files without a container (MP3, AAC, WavPack, Musepack, Monkey's Audio), and in unknown or
    damaged ones, it is everything between the tags.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    reader = _Reader(file)
    start = _after_leading_tags(reader)
    end = _before_trailing_tags(reader, start)
    if start >= end:
        start, end = 0, reader.size
    head = reader.peek(start, 16)
    finder = _finder(head)
    if finder:
        try:
            found = finder(reader, start, end)
        except ValueError:
            pass
        else:
            if found.size:
                return found
    return EncodedAudio(b"", ((start, end),), seekable=not head.startswith(_UNSEEKABLE))


def _finder(head: bytes) -> _Finder | None:
    """Return the parser for a container with these first bytes."""
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return _wav
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
        return _mp4
    by_signature = {b"fLaC": _flac, b"OggS": _ogg, b"DSD ": _dsf, _ASF_HEADER[:4]: _asf}
    return by_signature.get(head[:4])


def _after_leading_tags(reader: _Reader) -> int:
    start = 0
    while True:
        head = reader.peek(start, 32)
        if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
            footer = 10 if head[5] & 0x10 else 0
            start += 10 + _synchsafe(head[6:10]) + footer
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            start += 32 + int.from_bytes(head[12:16], "little")
        else:
            return start


def _before_trailing_tags(reader: _Reader, start: int) -> int:
    end = reader.size
    while size := _trailing_tag(reader, end):
        if end - size < start:
            break
        end -= size
    return end


def _trailing_tag(reader: _Reader, end: int) -> int:
    """Return the size of the tag that ends at an offset, or 0."""
    # ID3v1. "TAG" may also be the end of an APEv2 signature.
    if reader.peek(end - 128, 3) == b"TAG" and reader.peek(end - 131, 3) != b"APE":
        return 128
    if reader.peek(end - 227, 4) == b"TAG+":
        return 227
    footer = reader.peek(end - 32, 32)
    if footer[:8] == b"APETAGEX":
        size, _, flags = struct.unpack("<3I", footer[12:24])
        return size + (32 if flags & 1 << 31 else 0)
    if footer[-10:-7] == b"3DI" and max(footer[-4:]) < 0x80:  # ID3v2 after the audio
        return 20 + _synchsafe(footer[-4:])
    if footer[-9:] == b"LYRICS200" and footer[-15:-9].isdigit():
        return 15 + int(footer[-15:-9])
    if footer[-9:] == b"LYRICSEND":
        longest = min(5100 + 20, end)
        begin = reader.peek(end - longest, longest).rfind(b"LYRICSBEGIN")
        return longest - begin if begin >= 0 else 0
    return 0


def _synchsafe(number: bytes) -> int:
    size = 0
    for byte in number:
        size = size << 7 | byte
    return size


def _wav(reader: _Reader, start: int, end: int) -> EncodedAudio:
    facts, extents, large = b"WAV", [], _UNKNOWN_SIZE
    for chunk in _chunks(reader, start + 12, "<"):
        if chunk.name == b"fmt ":
            facts += reader.read(chunk.start, chunk.end - chunk.start)
        elif chunk.name == b"ds64":
            (large,) = reader.unpack("<Q", chunk.start + 8)
        elif chunk.name == b"data":
            size = chunk.end - chunk.start
            if size == _UNKNOWN_SIZE and large != _UNKNOWN_SIZE:
                # The size of this chunk does not lead to the next one.
                return EncodedAudio(facts, (_within(reader, chunk.start, chunk.start + large),))
            if size in (0, _UNKNOWN_SIZE):  # written to a pipe
                return EncodedAudio(facts, ((chunk.start, end),))
            extents.append(_within(reader, chunk.start, chunk.end))
    return EncodedAudio(facts, tuple(extents))


def _aiff(reader: _Reader, start: int, end: int) -> EncodedAudio:
    facts, extents = b"AIFF", []
    for chunk in _chunks(reader, start + 12, ">"):
        if chunk.name == b"COMM":
            facts += reader.read(chunk.start, chunk.end - chunk.start)
        elif chunk.name == b"SSND":
            extents.append(_within(reader, chunk.start, chunk.end))
    return EncodedAudio(facts, tuple(extents))


def _dsf(reader: _Reader, start: int, end: int) -> EncodedAudio:
    facts, extents = b"DSF", []
    (first,) = reader.unpack("<Q", start + 4)
    for chunk in _objects(reader, start + first, 4):
        if chunk.name == b"fmt ":
            facts += reader.read(chunk.start, chunk.end - chunk.start)
        elif chunk.name == b"data":
            extents.append(_within(reader, chunk.start, chunk.end))
            break  # a tag follows
    return EncodedAudio(facts, tuple(extents))


def _asf(reader: _Reader, start: int, end: int) -> EncodedAudio:
    for item in _objects(reader, start, 16):
        if item.name == _ASF_DATA:
            # A live stream does not know its size.
            until = item.end if item.end > item.start else end
            return EncodedAudio(b"ASF", (_within(reader, item.start, until),))
    return EncodedAudio(b"ASF", ())


def _flac(reader: _Reader, start: int, end: int) -> EncodedAudio:
    # The first block, with the number of samples and their MD5, always has this size.
    facts, position = b"FLAC" + reader.read(start + 8, 34), start + 4
    for _ in range(_MAX_PARTS):
        (header,) = reader.unpack(">I", position)
        position += 4 + (header & 0xFFFFFF)
        if header >> 31:  # the last one
            return EncodedAudio(facts, (_within(reader, position, end),))
    raise ValueError("too many blocks")


def _mp4(reader: _Reader, start: int, end: int) -> EncodedAudio:
    extents = [
        _within(reader, atom.start, atom.end)
        for atom in _atoms(reader, start, reader.size)
        if atom.name == b"mdat"
    ]
    return EncodedAudio(b"MP4" + b"".join(_sample_tables(reader, start)), tuple(extents))


def _sample_tables(reader: _Reader, start: int) -> Iterator[bytes]:
    """Yield the tables with sizes, durations and encoding of all samples."""
    parents = [_Part(b"", start, reader.size)]
    for name in _SAMPLE_TABLES:
        children = [atom for parent in parents for atom in _atoms(reader, parent.start, parent.end)]
        parents = [atom for atom in children if atom.name == name.encode()]
    for table in parents:
        for atom in _atoms(reader, table.start, table.end):
            if atom.name.decode("latin-1") not in _CHUNK_OFFSETS:
                yield atom.name + reader.read(atom.start, atom.end - atom.start)


def _ogg(reader: _Reader, start: int, end: int) -> EncodedAudio:
    """Locate the pages after the header pages, which have no position in the audio."""
    facts, position = b"", start
    for _ in range(_MAX_PARTS):
        header = reader.read(position, _PAGE_HEADER)
        if header[:4] != b"OggS":
            break
        (granule,) = struct.unpack("<q", header[6:14])
        if granule not in (0, -1):
            return EncodedAudio(b"Ogg" + facts, (_within(reader, position, end),), paged=True)
        segments = reader.read(position + _PAGE_HEADER, header[26])
        body = position + _PAGE_HEADER + len(segments)
        if not facts:  # the identification header is a page of its own
            facts = reader.read(body, sum(segments))
        position = body + sum(segments)
    raise ValueError("no audio after the headers")


def _chunks(reader: _Reader, start: int, order: str) -> Iterator[_Part]:
    """Yield the chunks of a RIFF or IFF file."""
    position = start
    for _ in range(_MAX_PARTS):
        if position + 8 > reader.size:
            return
        (size,) = reader.unpack(f"{order}I", position + 4)
        yield _Part(reader.read(position, 4), position + 8, position + 8 + size)
        position += 8 + size + size % 2


def _objects(reader: _Reader, start: int, name: int) -> Iterator[_Part]:
    """Yield parts with a name of so many bytes and a size of eight bytes, which includes both."""
    position = start
    for _ in range(_MAX_PARTS):
        if position + name + 8 > reader.size:
            return
        (size,) = reader.unpack("<Q", position + name)
        yield _Part(reader.read(position, name), position + name + 8, position + size)
        position += max(size, name + 8)


def _atoms(reader: _Reader, start: int, end: int) -> Iterator[_Part]:
    """Yield the MP4 atoms between two offsets."""
    position = start
    for _ in range(_MAX_PARTS):
        if position + 8 > min(end, reader.size):
            return
        (size,) = reader.unpack(">I", position)
        content = position + 8
        if size == 1:
            (size,) = reader.unpack(">Q", position + 8)
            content += 8
        elif size == 0:  # it is the last one
            size = end - position
        yield _Part(reader.read(position + 4, 4), content, position + size)
        position += max(size, content - position)


def _within(reader: _Reader, start: int, end: int) -> Extent:
    """Return the part of an extent that is in the file."""
    return min(start, reader.size), max(start, min(end, reader.size))
