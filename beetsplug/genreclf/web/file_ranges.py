"""The parts of files that browsers ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_PART = 1 << 20  # bytes of one answer
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class UnsatisfiableRange(Exception):
    """No part of the file is in the range, or several ranges are asked for."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


@dataclass(frozen=True)
class ByteRange:
    """A part of a file, in bytes."""

    start: int
    length: int

    @classmethod
    def parse(cls, header: str, size: int) -> ByteRange:
        """Return the part of a `Range` header, shortened. Raises UnsatisfiableRange.

        >>> ByteRange.parse("bytes=5-", 10)
        ByteRange(start=5, length=5)
        >>> ByteRange.parse("bytes=-3", 10)
        ByteRange(start=7, length=3)
        """
        match = _RANGE.fullmatch(header.replace(" ", ""))
        if not match or not any(match.groups()):
            raise UnsatisfiableRange(size)
        first, last = match.groups()
        if first:
            start, stop = int(first), min(int(last) + 1 if last else size, size)
        else:
            start, stop = max(0, size - int(last)), size
        if start >= stop:
            raise UnsatisfiableRange(size)
        return cls(start, min(stop - start, MAX_PART))
