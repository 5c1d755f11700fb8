"""Jobs in the background, and how their progress is shown in the page."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from genremodel.custom.custom_model import CustomModel

State: TypeAlias = Literal[
    "analyzing", "training", "done", "failed", "stopped", "predicting", "used", "discarded"
]

_ACTIVE: tuple[State, ...] = ("analyzing", "training", "predicting")


class StoppedError(Exception):
    """The user has stopped a job."""


class Job:
    """A training, or the use of another model. Its attributes are read by other threads."""

    def __init__(self, id_: int, state: State) -> None:
        self.id = id_
        self.state: State = state
        self.done = 0
        self.total = 0
        self.message: str | None = None
        self.report: dict[str, Any] | None = None
        self.model: CustomModel | None = None
        self.use: bool | str = False  # or the reason why the model would not be used
        self.run: int | None = None
        self.changed: int | None = None
        self.thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def is_active(self) -> bool:
        """Whether a thread is at work."""
        return self.state in _ACTIVE

    def stop(self) -> None:
        """Let the thread end after the track or album at which it is."""
        if self.is_active:
            self._stopping.set()

    def begin(self, total: int) -> None:
        """Begin with a number of tracks."""
        self.total = total

    def advance(self, tracks: int = 1) -> None:
        """Count tracks that are done. Raises StoppedError."""
        self.done = min(self.done + tracks, self.total)
        if self._stopping.is_set():
            raise StoppedError

    def as_object(self) -> dict[str, Any]:
        """Return the state as a JSON object."""
        optional = ("message", "report", "run", "changed")
        values = {name: value for name in optional if (value := getattr(self, name)) is not None}
        use = {"use": self.use} if self.state == "done" else {}
        fixed = {"id": self.id, "state": self.state, "done": self.done, "total": self.total}
        return {**fixed, **use, **values}


@dataclass
class LabelProgress:
    """Shows the analysis of labeled tracks in a job, and problems in the terminal."""

    job: Job
    log: Any
    failures: int = 0

    def begin(self, total: int) -> None:
        """Begin with a number of tracks."""
        self.job.begin(total)

    def advance(self) -> None:
        """Count a track. Raises StoppedError."""
        self.job.advance()

    def warn(self, message: str) -> None:
        """Report a track or a label that is left out."""
        self.log.warning("{}", message)

    def fail(self, message: str) -> None:
        """Count a track that cannot be analyzed, and report it. Raises StoppedError."""
        self.failures += 1
        self.log.error("{}", message)
        self.job.advance()


@dataclass
class PredictionProgress:
    """Shows the progress of a classification in a job."""

    job: Job

    def advance(self, tracks: int = 1) -> None:
        """Count tracks that are done. Raises StoppedError."""
        self.job.advance(tracks)

    def hidden(self) -> AbstractContextManager[None]:
        """Return a context in which messages can be printed."""
        return nullcontext()
