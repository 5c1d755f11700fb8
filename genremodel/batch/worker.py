"""From files to analyses: what is known already, or else what is heard."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from genremodel.analysis import Analysis
from genremodel.audio.decoding import AnalysisTimeout, AudioError, PathLike
from genremodel.audio.digest import audio_digest
from genremodel.batch.cache import Cache, CacheError, FileState
from genremodel.models.base import Backend, analyze_file
from genremodel.similarity import track_embedding

T = TypeVar("T")


class FileAnalyzer:
    """Analyses files in this process.

    windows: how many are heard of each track. cache: where analyses are kept, if anywhere; it is
    done without once it fails, and then `problem` says why. timeout: seconds that a file may take;
    one that took longer than fewer is tried again. retry: so is every other that failed.
    """

    def __init__(
        self,
        backend: Backend,
        windows: int,
        cache: Cache | None,
        *,
        timeout: float,
        retry: bool,
    ) -> None:
        self.problem: str | None = None
        self._backend = backend
        self._windows = windows
        self._cache = cache
        self._timeout = timeout
        self._retry = retry

    def recall(self, path: PathLike) -> Analysis | None:
        """Return the analysis of a file that is as it was when it was made, if there is one.

        Raises AudioError when the file could not be analysed then, or cannot be read.
        """
        file = _state(path)
        return self._believed(self._attempt(lambda cache: cache.of_file(file)))

    def recall_audio(self, path: PathLike) -> Analysis | None:
        """Return the cached analysis of the audio in a file, if there is one; make none.

        Raises AudioError when the audio could not be analyzed before, or the file cannot be read.
        """
        if self._cache is None:
            return None
        file = _state(path)
        known = self.recall(path)
        if known is None:
            digest = _digest(path)
            known = self._believed(self._attempt(lambda cache: cache.of_audio(digest, file)))
        return known

    def analyse(self, path: PathLike) -> Analysis:
        """Return the analysis of a file. Raises AudioError when it cannot be decoded."""
        if self._cache is None:
            return self._hear(path)
        file = _state(path)
        digest = _digest(path)
        known = self._believed(self._attempt(lambda cache: cache.of_audio(digest, file)))
        if known is not None:
            return known
        try:
            analysis = self._hear(path)
        except AudioError as exc:
            # Those may have gone by tomorrow.
            if not isinstance(exc.__cause__, (OSError, MemoryError)):
                self._keep(digest, exc)
            raise
        if _state(path) == file:  # else it was another recording that was heard
            self._keep(digest, analysis)
        return analysis

    def places(self) -> dict[bytes, bytes]:
        """Return where files lie that have been analysed by the networks, see `similarity`."""
        return self._attempt(lambda cache: cache.places(track_embedding)) or {}

    def digest_of(self, path: PathLike) -> bytes | None:
        """Return the digest of the audio in a file, if the cache knows it."""
        with suppress(AudioError):
            file = _state(path)
            return self._attempt(lambda cache: cache.digest_of(file))
        return None

    def give_up(self, path: PathLike, error: AudioError) -> None:
        """Remember that the analysis of a file took its process down, or too long."""
        if self._cache is None:
            return
        with suppress(AudioError, OSError):
            file = _state(path)
            digest = self._attempt(lambda cache: cache.digest_of(file)) or audio_digest(path)
            self._attempt(lambda cache: cache.locate(digest, file))
            self._keep(digest, error)

    @contextmanager
    def same_audio(self, path: PathLike) -> Iterator[None]:
        """Know a file again that has other tags after what is done in this context."""
        digest = self.digest_of(path)
        yield
        with suppress(AudioError):
            after = _state(path)
            if digest:
                self._attempt(lambda cache: cache.locate(digest, after))

    def close(self) -> None:
        """Let go of the cache."""
        if self._cache:
            self._cache.close()

    def _hear(self, path: PathLike) -> Analysis:
        return analyze_file(self._backend, path, self._windows)

    def _believed(self, known: Analysis | AudioError | None) -> Analysis | None:
        """Raise a failure that is known, or forget it where the file is to be tried again."""
        if not isinstance(known, AudioError):
            return known
        if self._retry or (isinstance(known, AnalysisTimeout) and known.limit < self._timeout):
            return None
        raise known

    def _keep(self, digest: bytes, result: Analysis | AudioError) -> None:
        self._attempt(lambda cache: cache.keep(digest, result))

    def _attempt(self, action: Callable[[Cache], T]) -> T | None:
        cache = self._cache  # another thread may do without it from now on
        if cache is None:
            return None
        try:
            return action(cache)
        except CacheError as exc:
            self.problem = str(exc)
            self._cache = None
            return None


def _digest(path: PathLike) -> bytes:
    try:
        return audio_digest(path)
    except OSError as exc:
        raise AudioError(exc.strerror or str(exc)) from exc


def _state(path: PathLike) -> FileState:
    try:
        state = FileState.of(path)
    except OSError as exc:
        raise AudioError(exc.strerror or str(exc)) from exc
    if not os.path.isfile(state.path):  # noqa: PTH113  # bytes
        raise AudioError("not a file")  # a pipe would be waited for
    return state
