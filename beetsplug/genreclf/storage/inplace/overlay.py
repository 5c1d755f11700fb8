"""A copy-on-write file object, to find out which bytes of a file would change."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from mutagen import MutagenError

_PAGE = 4096  # bytes
_BLOCK = 16  # bytes; granularity of changes


class OverlayFull(MutagenError):
    """Raised if more is written than an overlay may hold. mutagen and mediafile pass it on."""


class Change(NamedTuple):
    """Bytes of a file that change. old: empty beyond the old end of the file."""

    offset: int
    old: bytes
    new: bytes


class Overlay(io.RawIOBase):
    """The content that a file would have after writes, which stay in memory.

    file: opened for reading in binary mode, unbuffered. limit: bytes of pages that are kept.
    Writing more raises OverlayFull, and `full` stays true, even if the caller handles the error.
    """

    def __init__(self, file: io.RawIOBase, limit: int) -> None:
        super().__init__()
        self.old_size = file.seek(0, os.SEEK_END)
        self.size = self.old_size
        self.full = False
        self._file = file
        self._limit = limit
        self._uncut = self.old_size  # the file shows through up to here
        self._pages: dict[int, bytearray] = {}
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to an offset from the start, the position, or the end, and return the new position.

        Raises OSError before the start.
        """
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer, as much as there is, and return how many bytes."""
        with memoryview(buffer) as view:
            start = min(self._position, self.size)
            end = min(start + len(view), self.size)
            view[: end - start] = self._content(start, end)
        self._position += end - start
        return end - start

    def write(self, data: Any, /) -> int:
        """Write all of the data and return its length in bytes. Raises OverlayFull."""
        with memoryview(data) as view:
            if not view:
                return 0
            self._grow(self._position)
            end = self._position + len(view)
            for number in _numbers(self._position, end):
                start = number * _PAGE
                first, last = max(self._position, start), min(end, start + _PAGE)
                part = view[first - self._position : last - self._position]
                self._page(number)[first - start : last - start] = part
            self.size = max(self.size, end)
            self._position = end
            return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the size, by default to the current position, and return it. Raises OverlayFull."""
        size = self._position if size is None else size
        self._grow(size)
        self._uncut = min(self._uncut, size)
        for number in [*self._pages]:
            if number * _PAGE >= size:
                del self._pages[number]
        if page := self._pages.get(size // _PAGE):
            page[size % _PAGE :] = bytes(_PAGE - size % _PAGE)
        self.size = size
        return size

    def changes(self) -> list[Change]:
        """Return the changes in order; none extends across the old end of the file."""
        extents: list[list[int]] = []
        for start, end in self._extents():
            if extents and extents[-1][1] == start != self.old_size:
                extents[-1][1] = end
            else:
                extents.append([start, end])
        return [
            Change(start, self._of_file(start, end), bytes(self._content(start, end)))
            for start, end in extents
        ]

    def _extents(self) -> Iterator[tuple[int, int]]:
        """Yield the start and the end of each range in which pages differ from the file."""
        for first, last in _runs(sorted(self._pages)):
            start, end = first * _PAGE, min(last * _PAGE, self.size)
            old = self._of_file(start, min(end, self.old_size))
            new = b"".join(self._pages[number] for number in range(first, last))[: end - start]
            for at, to in _differing(old, new):
                yield start + at, start + to
            if len(new) > len(old):
                yield start + len(old), end

    def _content(self, start: int, end: int) -> bytearray:
        content = bytearray(self._of_file(start, min(end, self._uncut)))
        content.extend(bytes(end - start - len(content)))
        for number in _numbers(start, end):
            if page := self._pages.get(number):
                first, last = max(start, number * _PAGE), min(end, (number + 1) * _PAGE)
                content[first - start : last - start] = page[
                    first - number * _PAGE : last - number * _PAGE
                ]
        return content

    def _page(self, number: int) -> bytearray:
        """Return a page for writing. Raises OverlayFull."""
        if number not in self._pages:
            if (len(self._pages) + 1) * _PAGE > self._limit:
                self.full = True
                raise OverlayFull("the overlay is full")
            self._pages[number] = self._content(number * _PAGE, (number + 1) * _PAGE)
        return self._pages[number]

    def _grow(self, size: int) -> None:
        """Extend to at least this size. Bytes that were cut off must not reappear."""
        for number in _numbers(self.size, min(size, self.old_size)):
            self._page(number)
        self.size = max(self.size, size)

    def _of_file(self, start: int, end: int) -> bytes:
        if end <= start:
            return b""
        self._file.seek(start)
        return self._file.read(end - start) or b""


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Return the first number of each run of successive ones, and the one behind its last."""
    for _, run in groupby(enumerate(numbers), key=lambda place: place[1] - place[0]):
        found = [number for _, number in run]
        yield found[0], found[-1] + 1


def _differing(old: bytes, new: bytes) -> Iterator[tuple[int, int]]:
    """Return from where to where bytes differ, in blocks. new: at least as long as old."""
    import numpy as np  # slow to import, and loaded by whatever writes tags

    if not old:
        return
    differ = np.frombuffer(old, np.uint8) != np.frombuffer(new, np.uint8, len(old))
    blocks = np.add.reduceat(differ, np.arange(0, len(old), _BLOCK)) > 0
    edges = np.flatnonzero(np.diff(blocks, prepend=False, append=False)) * _BLOCK
    yield from zip(edges[::2].tolist(), edges[1::2].clip(max=len(old)).tolist(), strict=True)


def _numbers(start: int, end: int) -> range:
    """Return the numbers of the pages from one offset up to another."""
    return range(start // _PAGE, -(-end // _PAGE)) if end > start else range(0)
