"""How far a run is, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.text import Text


def is_terminal() -> bool:
    """Tell whether somebody is watching."""
    return sys.stderr is not None and sys.stderr.isatty()  # None where it is closed


class SpeedColumn(ProgressColumn):
    """Tracks a second."""

    def render(self, task: Task) -> Text:
        """Return the speed of the last half minute."""
        return Text("" if task.speed is None else f"{task.speed:.1f} tracks/s")


class Bar:
    """A bar with tracks a second and the time left, or nothing where `shown` is false."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            SpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not shown,
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """Count one more track."""
        self._bar.advance(self._task)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Make room for a message."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()
