"""Analyzer: audio files to analyses, without predicting a genre."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from genremodel.analysis import Analysis
from genremodel.audio.decoding import AudioSource
from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.early_stop import EarlyStop
from genremodel.errors import ModelError
from genremodel.models.base import analysis_version, analyze_audio
from genremodel.models.knn import KnnBackend
from genremodel.models.musicnn import RUNTIMES, CnnBackend, Runtime

if TYPE_CHECKING:
    from genremodel.batch.pool import Pool
    from genremodel.cluster import Cluster

BackendName: TypeAlias = Literal["auto", "onnx", "numpy", "knn"]
DEFAULT_TIMEOUT = 60.0  # seconds per file


class Analyzer:
    """Analyzes audio files. The base class of `GenreClassifier`, which predicts their genre.

    Parameters
    ----------
    windows : int
        The number of 3-second windows that are analyzed per track, at least 1.
    backend : {"auto", "onnx", "numpy", "knn"}
        See `GenreClassifier`, also for the attribute `fallback_reason`.

    Raises
    ------
    ImportError, ModelError
        If the backend cannot be loaded.

    Examples
    --------
    >>> Analyzer().features_version == Analyzer(backend="numpy").features_version
    True
    """

    fallback_reason: str | None

    def __init__(self, windows: int = DEFAULT_WINDOWS, backend: BackendName = "auto") -> None:
        self._windows = windows
        self._backend, self.fallback_reason = _load_backend(backend)
        self._early_stop: EarlyStop | None = None

    @property
    def analysis_version(self) -> str:
        """The version of front end and networks. The cache finds analyses by it."""
        return analysis_version(self._backend.features_version)

    @property
    def features_version(self) -> str:
        """The version of the networks. Models read analyses of this version only."""
        return self._backend.features_version

    @property
    def backend(self) -> Runtime | Literal["knn"]:
        """The backend in use. Predictions by `onnx` and `numpy` are the same."""
        return self._backend.name

    @property
    def uses_cnn(self) -> bool:
        """Whether analyses are by the CNN. Custom models, styles and similarity need it."""
        return self.backend != "knn"

    def analyze(self, source: AudioSource) -> Analysis:
        """Analyze a track without predicting its genre.

        Parameters
        ----------
        source : path, file object or (samples, sample_rate)
            The audio. File objects are binary and seekable. Samples are of shape (samples,) or
            (channels, samples): floats in [-1, 1], or integers of the full range of their type.

        Returns
        -------
        Analysis
            The outputs of the networks. `GenreClassifier.predict` takes it in place of the audio.

        Raises
        ------
        AudioError
            If the audio cannot be decoded.
        ValueError
            If samples have another shape or type.

        Examples
        --------
        >>> import numpy as np
        >>> noise = np.random.default_rng(0).uniform(-1, 1, (2, 20 * 16_000))
        >>> analysis = Analyzer(windows=3).analyze((noise, 16_000))
        >>> analysis.starts.round(1).tolist()
        [2.6, 9.4, 14.4]
        >>> analysis.embedding.shape
        (200,)
        """
        stop = self._early_stop
        analysis = analyze_audio(self._backend, source, self._windows, is_enough=stop)
        return analysis.wanted(self._windows, stop) or analysis

    def pool(
        self,
        *,
        workers: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        cache: str | os.PathLike[str] | None = None,
        retry: bool = False,
        cluster: Cluster | None = None,
    ) -> Pool:
        """Return a pool of workers that analyze files in the same way.

        Parameters
        ----------
        workers, timeout, cache, cluster
            See `GenreClassifier.predict_many`.
        retry : bool
            Also analyze files that the cache has as failed.

        Examples
        --------
        >>> with Analyzer().pool(workers=1) as pool:
        ...     print(pool.submit("none.mp3").exception())
        No such file or directory
        """
        from genremodel.batch.pool import Pool
        from genremodel.batch.worker import WindowsMethod, WorkerConfig

        config = WorkerConfig(
            self.backend,
            self._windows,
            Path(cache) if cache else None,
            timeout,
            retry,
            self._early_stop.params if self._early_stop else None,
        )
        method = WindowsMethod(self._backend, self._windows, self._early_stop)
        return Pool(config, method, workers, cluster.workers if cluster else None)


def _load_backend(name: BackendName) -> tuple[CnnBackend | KnnBackend, str | None]:
    """Return the backend, and why the one before it in the order of `auto` cannot be used."""
    if name == "knn":
        return KnnBackend(), None
    if name != "auto":
        return CnnBackend(name), None
    reason = None
    for runtime in RUNTIMES:
        try:
            return CnnBackend(runtime), reason
        except (ImportError, ModelError) as exc:
            reason = str(exc)
    try:
        return KnnBackend(), reason
    except (ImportError, ModelError) as exc:
        # All backends read `model.json`: its damage is one reason.
        raise ModelError(reason if str(exc) == reason else f"{reason}; KNN: {exc}") from exc
