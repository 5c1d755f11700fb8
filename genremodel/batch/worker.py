"""Analyze files, in a worker process or in this one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np

from genremodel.analysis import Analysis
from genremodel.audio.decoding import PathLike
from genremodel.audio.digest import audio_digest
from genremodel.batch.cache import Cache, FileState
from genremodel.batch.outcome import Outcome
from genremodel.batch.spawning import end_with_parent
from genremodel.early_stop import EarlyStop
from genremodel.errors import AnalysisTimeout, AudioError, as_audio_error
from genremodel.models.base import WindowAnalyzer, analysis_version, analyze_audio
from genremodel.models.knn import KnnBackend
from genremodel.models.musicnn import CnnBackend, Runtime
from genremodel.prediction import DecisionParams

# The analysis of a file, and the error of the worker's cache, if any.
WorkerResult: TypeAlias = "tuple[Analysis, str | None]"


class AnalysisMethod(Protocol):
    """Makes analyses of one version. Methods that are passed to workers must be picklable."""

    @property
    def version(self) -> str:
        """The version, by which the cache finds the analyses."""
        ...

    def analyze(self, path: PathLike, known: Analysis | None) -> Analysis:
        """Return the analysis of a file. Raises AudioError.

        known: an analysis with fewer windows.
        """
        ...


@dataclass(frozen=True)
class WindowsMethod:
    """Computes the values of so many windows, as the product does.

    is_enough: see `analyze_audio`.
    """

    analyzer: WindowAnalyzer
    windows: int
    is_enough: Callable[[Analysis], bool] | None = None

    @property
    def version(self) -> str:
        """See `AnalysisMethod`."""
        return analysis_version(self.analyzer.features_version)

    def analyze(self, path: PathLike, known: Analysis | None) -> Analysis:
        """See `AnalysisMethod`."""
        return analyze_audio(self.analyzer, path, self.windows, known, self.is_enough)


@dataclass(frozen=True)
class WorkerConfig:
    """How files are analyzed, the same in every process.

    backend: which workers load, or a method of their own. cache: its file, or None for none.
    timeout: seconds per file. A file that exceeded a shorter limit before is tried again. retry:
    analyze files again that failed before. early_stop: how predictions are made, if the first
    windows of a track may be enough.
    """

    backend: Runtime | Literal["knn"] | AnalysisMethod
    windows: int
    cache: Path | None
    timeout: float
    retry: bool
    early_stop: DecisionParams | None = None


class FileAnalyzer:
    """Analyzes files in this process, unless the cache has them. Methods raise AudioError."""

    def __init__(self, config: WorkerConfig, method: AnalysisMethod) -> None:
        self._is_enough = method.is_enough if isinstance(method, WindowsMethod) else None
        self.cache = Cache(config.cache, method.version, config.windows, self._is_enough)
        self._config = config
        self.method = method

    def __enter__(self) -> FileAnalyzer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.cache.close()

    @contextmanager
    def using(self, method: AnalysisMethod | None) -> Iterator[FileAnalyzer]:
        """Analyze files by another method, if there is one."""
        if method is None:
            yield self
        else:
            with FileAnalyzer(self._config, method) as analyzer:
                yield analyzer

    def lookup(self, path: PathLike) -> Analysis | None:
        """Return the cached analysis of an unchanged file, or None.

        Raises AudioError if its analysis failed before, or it cannot be read.
        """
        return self._raise_cached_error(self.cache.get_file(_state(path)))

    def lookup_audio(self, path: PathLike) -> Analysis | None:
        """Return the cached analysis of the audio in a file, or None.

        Raises AudioError if its analysis failed before, or the file cannot be read.
        """
        known = self.lookup(path)
        if known is None and self.cache.is_usable:
            return self._lookup_digest(_digest(path), _state(path))
        return known

    def analyze(self, path: PathLike) -> Analysis:
        """Return the analysis of a file, from the cache or a new one."""
        file = _state(path)
        if not self.cache.is_usable:
            return self.analyze_uncached(path)
        digest = _digest(path)
        known = self._lookup_digest(digest, file)
        if known is not None:
            return known
        try:
            analysis = self.method.analyze(path, self.cache.get_part(digest))
        except AudioError as exc:
            if _is_lasting(exc):
                self.cache.put(digest, exc)
            raise
        if _state(path) == file:  # otherwise another recording may have been analyzed
            self.cache.put(digest, analysis)
        return self._wanted(analysis)

    def analyze_uncached(self, path: PathLike) -> Analysis:
        """Return a new analysis of a file, and leave the cache as it is."""
        _state(path)
        return self._wanted(self.method.analyze(path, None))

    def accept(self, path: PathLike, outcome: Outcome) -> Analysis:
        """Return the analysis of a file by another machine, and store it or its failure.

        Raises AudioError, also if that machine has seen another file at this path.
        """
        file = _state(path)
        if outcome.state is None:
            raise AudioError(f"{outcome.failure()} on the machine that analyzes it")
        if not outcome.is_of(file):
            raise AudioError("the machine that analyzed it sees another size or time of the file")
        if outcome.digest is None:  # no worker process is left that could compute it
            error = outcome.failure()
            if outcome.is_lasting:
                self.cache.record_failure(path, error)
            raise error
        known = self._lookup_digest(outcome.digest, file)
        if known is not None:
            return known
        if outcome.content is None:
            error = outcome.failure()
            if outcome.is_lasting:
                self.cache.put(outcome.digest, error)
            raise error
        analysis = Analysis.from_bytes(outcome.content)
        self.cache.put(outcome.digest, analysis)
        return self._wanted(analysis)

    def examine(self, path: PathLike, windows: int) -> Outcome:
        """Return the outcome of a new analysis of a file, for a machine that stores it."""
        try:
            return self._examine(path, windows)
        except AudioError as exc:  # it cannot be read
            return Outcome(error=str(exc), lacks_folder=_lacks_folder(path))

    def _examine(self, path: PathLike, windows: int) -> Outcome:
        method = self.method
        if isinstance(method, WindowsMethod):
            method = replace(method, windows=windows)
        file, digest = _state(path), _digest(path)
        try:
            result: Analysis | Exception = method.analyze(path, None)
        except Exception as exc:
            result = exc
        if _state(path) != file:
            raise AudioError("changed while it was analyzed")
        state = file.size, file.mtime
        if isinstance(result, Analysis):
            return Outcome(state, digest, result.to_bytes())
        error = str(as_audio_error(result))
        return Outcome(state, digest, error=error, is_lasting=_is_lasting(result))

    def _wanted(self, analysis: Analysis) -> Analysis:
        return analysis.wanted(self._config.windows, self._is_enough) or analysis

    def _lookup_digest(self, digest: bytes, file: FileState) -> Analysis | None:
        found = self.cache.get_digest(digest)
        self.cache.link_file(digest, file)
        return self._raise_cached_error(found)

    def _raise_cached_error(self, found: Analysis | AudioError | None) -> Analysis | None:
        """Raise a cached failure, or ignore it if the file is to be tried again."""
        if not isinstance(found, AudioError):
            return found
        exceeded = isinstance(found, AnalysisTimeout) and found.limit < self._config.timeout
        if self._config.retry or exceeded:
            return None
        raise found


_analyzer: FileAnalyzer  # of a worker process


def init_worker(config: WorkerConfig, semaphores: list[str]) -> None:
    """Prepare a worker process, and load the model before the time limit of a file begins."""
    global _analyzer
    end_with_parent(semaphores)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on systems where it cannot be blocked
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ends the worker even if a decoder hangs
    # Libraries print messages when they crash, in the middle of the output of the program.
    with open(os.devnull, "w") as null:  # noqa: PTH123
        os.dup2(null.fileno(), 1)
        os.dup2(null.fileno(), 2)
    # Freeing 16 MB once raises the threshold above which glibc returns freed memory to the system.
    # Otherwise each track causes 3,000 page faults, which take a tenth of its CPU time.
    np.empty(1 << 24, np.uint8)
    _analyzer = FileAnalyzer(config, _load_method(config))


def _load_method(config: WorkerConfig) -> AnalysisMethod:
    if not isinstance(config.backend, str):
        return config.backend
    if config.backend == "knn":
        return WindowsMethod(KnnBackend(features_only=True), config.windows)
    cnn = CnnBackend(config.backend)
    is_enough = EarlyStop(cnn, config.early_stop) if config.early_stop else None
    return WindowsMethod(cnn, config.windows, is_enough)


def analyze(path: PathLike, method: AnalysisMethod | None = None) -> WorkerResult:
    """Analyze a file in a worker process. method: by default, that of the configuration."""
    with _analyzer.using(method) as analyzer:
        return analyzer.analyze(path), analyzer.cache.error


def examine(path: PathLike, windows: int, method: AnalysisMethod | None) -> Outcome:
    """Analyze a file in a worker process, for another machine. method: as for `analyze`."""
    with _analyzer.using(method) as analyzer:
        return analyzer.examine(path, windows)


def analyze_uncached(path: PathLike) -> Analysis:
    """Analyze a file in a worker process, for `Pool.run`. Nothing is kept of it."""
    return _analyzer.analyze_uncached(path)


def _is_lasting(error: Exception) -> bool:
    """Return whether the analysis of a file would fail again for the same reason."""
    temporary = isinstance(error.__cause__, (OSError, MemoryError))
    return isinstance(error, AudioError) and not temporary


def _lacks_folder(path: PathLike) -> bool:
    """Return whether the folder of a file is not there or empty, as where a share is missing."""
    try:
        return not os.listdir(os.path.dirname(os.fspath(path)))  # noqa: PTH120, PTH208  # bytes
    except OSError:
        return True


def _digest(path: PathLike) -> bytes:
    try:
        return audio_digest(path)
    except OSError as exc:
        raise AudioError(exc.strerror or str(exc)) from exc


def _state(path: PathLike) -> FileState:
    try:
        state = FileState.from_path(path)
    except OSError as exc:
        raise AudioError(exc.strerror or str(exc)) from exc
    if not os.path.isfile(state.path):  # noqa: PTH113  # bytes
        raise AudioError("not a file")  # reading a pipe could block forever
    return state
