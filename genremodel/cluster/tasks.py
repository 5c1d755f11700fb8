"""What a client sends to workers, and how they answer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import TimeoutError as TaskTimeout
from dataclasses import dataclass
from typing import NamedTuple

from pebble import ProcessExpired

from genremodel.batch import worker
from genremodel.batch.outcome import Outcome
from genremodel.batch.processes import (
    NoWorkersError,
    Processes,
    Task,
    expiration_error,
    was_killed,
)
from genremodel.batch.worker import AnalysisMethod
from genremodel.cluster.versions import difference
from genremodel.errors import ClusterError, as_audio_error

_STATE_SECONDS = 5  # a share on which reading the size of a file takes longer hangs


@dataclass(frozen=True)
class FilesTask:
    """Files that one worker analyzes.

    versions: those that it must have. files: what it calls them, and how it analyzes each. windows,
    timeout: see `WorkerConfig`.
    """

    versions: Mapping[str, str]
    files: tuple[tuple[str, AnalysisMethod | None], ...]
    windows: int
    timeout: float


class FilesResult(NamedTuple):
    """The outcomes of the files of a task, and the name of the worker."""

    worker: str
    outcomes: list[Outcome]


class FileWorker:
    """Analyzes the files of tasks in processes of this machine."""

    def __init__(self, name: str, versions: Mapping[str, str], processes: Processes) -> None:
        self._name = name
        self._versions = versions
        self._processes = processes

    def check(self, versions: Mapping[str, str]) -> None:
        """Raise ClusterError unless this worker has the versions of a client."""
        if problem := difference(versions, self._versions):
            raise ClusterError(f"the worker {self._name} differs from this machine: {problem}")

    def analyze(self, task: FilesTask) -> FilesResult:
        """Analyze files, each with its own time limit. Raises ClusterError."""
        self.check(task.versions)
        started = [
            self._processes.schedule_within(
                task.timeout, worker.examine, path, task.windows, method
            )
            for path, method in task.files
        ]
        outcomes = [
            self._outcome(path, task.timeout, process_task)
            for (path, _), process_task in zip(task.files, started, strict=True)
        ]
        return FilesResult(self._name, outcomes)

    def _outcome(self, path: str, timeout: float, task: Task | None) -> Outcome:
        try:
            return self._processes.result(task)
        except NoWorkersError as exc:
            raise ClusterError(f"the worker {self._name}: {exc}") from None
        except TaskTimeout:
            outcome = Outcome(timeout=timeout, is_lasting=True)
        except ProcessExpired as exc:
            error = str(expiration_error(exc))
            outcome = Outcome(error=error, is_lasting=not was_killed(exc))
        except Exception as exc:
            outcome = Outcome(error=str(as_audio_error(exc)))
        return outcome._replace(state=self._state(path, timeout))

    def _state(self, path: str, timeout: float) -> tuple[int, int] | None:
        """Read the state of a file in a process. Raises ClusterError if its share hangs."""
        try:
            state: tuple[int, int] | None = self._processes.result(
                self._processes.schedule_within(max(timeout, _STATE_SECONDS), file_state, path)
            )
        except TaskTimeout:
            raise ClusterError(
                f"the worker {self._name} gets no answer from the share of {path}"
            ) from None
        except Exception:  # the process that reads the state has died
            return None
        return state


own_worker: FileWorker | None = None  # of a process that `genremodel.cluster` started


def check_worker(versions: Mapping[str, str]) -> None:
    """Raise ClusterError unless the worker that runs this has the versions of a client."""
    _own_worker().check(versions)


def analyze_files(task: FilesTask) -> FilesResult:
    """Analyze files in the worker that runs this. Raises ClusterError."""
    return _own_worker().analyze(task)


def _own_worker() -> FileWorker:
    if own_worker is None:
        raise ClusterError(
            "a worker was not started by `python -m genremodel.cluster worker`, but by Dask"
        )
    return own_worker


def file_state(path: str) -> tuple[int, int] | None:
    """Return the size and the time of a file, None if it cannot be read."""
    try:
        stat = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
