"""What a backend says of a track, window by window: the part that is worth keeping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that deciding needs of the windows of one track.

    starts: (n,) seconds; none of a track that is too short.
    audible: (n,) False where a window is digital silence.
    outputs: (n, values) float16, what the backend that made them keeps of each window.
    """

    starts: NDArray[np.float64]
    audible: NDArray[np.bool_]
    outputs: NDArray[np.float16]

    def to_bytes(self) -> bytes:
        """Return it as bytes, without a header: what made it is known to who keeps it."""
        return (
            self.starts.astype("<f8").tobytes()
            + self.audible.tobytes()
            + self.outputs.astype("<f2").tobytes()
        )

    @classmethod
    def from_bytes(cls, content: bytes, windows: int) -> Analysis:
        """Return what `to_bytes` was called on. Raises ValueError when it is not that."""
        starts, audible = 8 * windows, windows
        outputs = np.frombuffer(content[starts + audible :], "<f2")
        return cls(
            np.frombuffer(content[:starts], "<f8"),
            np.frombuffer(content[starts : starts + audible], np.bool_),
            outputs.reshape(windows, -1 if windows else 0),
        )
