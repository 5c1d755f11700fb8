"""Analyze files in the worker processes of this machine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import TimeoutError as TaskTimeout
from functools import partial

from pebble import ProcessExpired

from genremodel.analysis import Analysis
from genremodel.audio.decoding import PathLike
from genremodel.batch import worker
from genremodel.batch.processes import (
    NoWorkersError,
    Processes,
    Task,
    expiration_error,
    was_killed,
)
from genremodel.batch.worker import AnalysisMethod, FileAnalyzer, WorkerConfig
from genremodel.errors import AnalysisTimeout, AudioError


class LocalWorkers:
    """Implements `Workers`. If no worker process can be started, this process analyzes the files.

    analyzer: analyzes files in this process.
    """

    lookahead = 64

    def __init__(self, config: WorkerConfig, analyzer: FileAnalyzer, processes: Processes) -> None:
        self._config = config
        self._analyzer = analyzer
        self._processes = processes
        self._cache_error: str | None = None

    @property
    def problems(self) -> list[str]:
        """See `Workers`."""
        problems = []
        if error := self._analyzer.cache.error or self._cache_error:
            problems.append(f"running without the analysis cache: {error}")
        if error := self._processes.start_error:
            problems.append(
                f"worker processes could not be started ({error}): files are analyzed in this "
                "process, without a time limit or protection from crashes"
            )
        return problems

    def failure_of_all(self, path: PathLike) -> None:
        """See `Workers`."""

    def schedule(self, path: PathLike, method: AnalysisMethod | None) -> Callable[[], Analysis]:
        """See `Workers`."""
        task = self._processes.schedule(worker.analyze, path, method)
        return partial(self._wait, path, method, task)

    def close(self) -> None:
        """See `Workers`."""
        self._processes.close()

    def _wait(self, path: PathLike, method: AnalysisMethod | None, task: Task | None) -> Analysis:
        """Return the analysis by a task, or by this process without one."""
        try:
            analysis, cache_error = self._processes.result(task)
        except NoWorkersError as exc:
            if self._processes.closed:
                raise AudioError(str(exc)) from None
            with self._analyzer.using(method) as analyzer:
                return analyzer.analyze(path)
        except TaskTimeout:
            error: AudioError = AnalysisTimeout(self._config.timeout)
        except ProcessExpired as exc:
            error = expiration_error(exc)
            if was_killed(exc):
                raise error from exc
        else:
            self._cache_error = cache_error or self._cache_error
            return analysis
        with self._analyzer.using(method) as analyzer:
            analyzer.cache.record_failure(path, error)
        raise error
