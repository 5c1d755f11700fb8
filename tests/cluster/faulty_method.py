"""An analysis that fails as its file is named: native faults that no valid file provokes."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genremodel.analysis import Analysis
from genremodel.audio.decoding import PathLike


@dataclass(frozen=True)
class FaultyMethod:
    """Returns an empty analysis, unless the name of the file is that of a fault."""

    seconds: float = 0

    @property
    def version(self) -> str:
        return "faulty"

    def analyze(self, path: PathLike, known: Analysis | None) -> Analysis:
        time.sleep(self.seconds)
        fault = Path(os.fsdecode(path)).stem
        if fault == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif fault == "sleep":
            time.sleep(600)
        elif fault == "hang":
            ctypes.PyDLL(None).sleep(600)  # holds the lock of the interpreter
        elif fault == "kill-worker":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(600)
        return Analysis(np.zeros(1), np.ones(1, np.bool_), np.zeros((1, 4), np.float16))
