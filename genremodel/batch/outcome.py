"""What one machine finds out about a file, and another stores."""

from __future__ import annotations

from typing import NamedTuple

from genremodel.batch.cache import FileState
from genremodel.errors import AnalysisTimeout, AudioError

_MTIME_UNIT = 1000  # ns; protocols of network shares round times, to 100 ns at most


class Outcome(NamedTuple):
    """The analysis of a file, or its failure.

    state: size and mtime (ns), None if the file cannot be read. digest: that of the audio, None if
    it is not known. content: the analysis as bytes. error: why there is none. timeout: the limit
    that the analysis exceeded, in seconds. is_lasting: whether it would fail again. lacks_folder:
    whether not even the folder of the file can be read, or it is empty.
    """

    state: tuple[int, int] | None = None
    digest: bytes | None = None
    content: bytes | None = None
    error: str = ""
    timeout: float | None = None
    is_lasting: bool = False
    lacks_folder: bool = False

    def is_of(self, file: FileState) -> bool:
        """Return whether this is about a file in this state, at whatever path."""
        if self.state is None:
            return False
        size, mtime = self.state
        return size == file.size and mtime // _MTIME_UNIT == file.mtime // _MTIME_UNIT

    def failure(self) -> AudioError:
        """Return the error."""
        return AudioError(self.error) if self.timeout is None else AnalysisTimeout(self.timeout)
