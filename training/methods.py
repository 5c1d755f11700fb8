"""How the files of a corpus are analyzed, in worker processes and for the analysis cache.

Analyses by the product have half precision. Models are fitted on single precision, where there are
not too many files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import Analysis
from genremodel.audio.decoding import PathLike
from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.audio.windows import Windows, read_windows
from genremodel.errors import ModelError
from genremodel.models import knn, musicnn
from genremodel.models.base import WindowAnalyzer, analysis_version
from genremodel.models.bundled import MSD_FILE, MTT_FILE
from genremodel.models.musicnn import MTT_WINDOWS, MusicnnPair, MusicnnSession
from training import augmentation


@dataclass(frozen=True)
class Networks:
    """Both networks of a model, which each process loads when it needs them.

    folder: of the model. features_version: see `WindowAnalyzer`.
    """

    folder: Path
    features_version: str

    @classmethod
    def in_folder(cls, folder: Path) -> Networks:
        """Return the networks that are in the folder of a model now."""

        def checksum(name: str) -> str:
            return hashlib.sha256((folder / name).read_bytes()).hexdigest()

        return cls(folder.absolute(), musicnn.features_version(checksum))

    def analyze(self, windows: Windows) -> NDArray[np.float32]:
        """Return the joined outputs of both networks: (windows, OUTPUT_SIZE)."""
        return _load(self).run(windows)


@lru_cache(maxsize=1)
def _load(networks: Networks) -> MusicnnPair:
    """Load networks, which may have been named on another machine. Raises ModelError."""
    if Networks.in_folder(networks.folder) != networks:
        raise ModelError(f"{networks.folder}: other networks than those to be used")
    files = (networks.folder / name for name in (MSD_FILE, MTT_FILE))
    return MusicnnPair(*(MusicnnSession(file.read_bytes()) for file in files))


@dataclass(frozen=True)
class Features:
    """The librosa features of some groups."""

    groups: tuple[str, ...]

    @property
    def features_version(self) -> str:
        """See `WindowAnalyzer`."""
        return knn.features_version(self.groups)

    def analyze(self, windows: Windows) -> NDArray[np.float32]:
        """Return librosa features: (windows, features)."""
        return knn.window_features(windows.samples, self.groups)


@dataclass(frozen=True)
class SinglePrecision:
    """Computes the values of all windows of a file in single precision."""

    analyzer: WindowAnalyzer

    @property
    def version(self) -> str:
        """See `AnalysisMethod`."""
        return f"{analysis_version(self.analyzer.features_version)}, single precision"

    def analyze(self, path: PathLike, known: Analysis | None) -> Analysis:
        """See `AnalysisMethod`."""
        return _analysis(self.analyzer, read_windows(path, DEFAULT_WINDOWS))


@dataclass(frozen=True)
class Altered:
    """Computes the values of augmented windows of a file in single precision.

    start: the random numbers that were drawn before for other files, see `random_draws`.
    """

    analyzer: WindowAnalyzer
    start: int

    @property
    def version(self) -> str:
        """See `AnalysisMethod`."""
        version = SinglePrecision(self.analyzer).version
        return f"{version}, {augmentation.VERSION}, drawn from {self.start}"

    def analyze(self, path: PathLike, known: Analysis | None) -> Analysis:
        """See `AnalysisMethod`."""
        rng = augmentation.random_draws(self.start)
        return _analysis(
            self.analyzer, augmentation.augmented(read_windows(path, MTT_WINDOWS), rng)
        )


def single_precision(analysis: Analysis) -> NDArray[np.float32]:
    """Return the values of an analysis in single precision: (windows, values)."""
    return analysis.values.view(np.float32)


def _analysis(analyzer: WindowAnalyzer, windows: Windows) -> Analysis:
    """Return an analysis for `single_precision`, each of its values as two of half the size."""
    values = analyzer.analyze(windows) if len(windows.starts) else np.empty((0, 0), np.float32)
    return Analysis(windows.starts, windows.audible, values.view(np.float16), windows.decoded)
