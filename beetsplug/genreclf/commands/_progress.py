"""Show the progress of a run on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import Logger
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, Task
    from rich.text import Text


Report = Callable[[str], None]  # takes a message, path first


class Failures:
    """Reports failures, and counts them."""

    def __init__(self, log: Logger) -> None:
        self.count = 0
        self._log = log

    def report(self, message: str) -> None:
        """Report one more failure. message: path first."""
        self.count += 1
        self._log.error("{}", message)

    def warn(self, message: str) -> None:
        """Report a failure that does not count. message: path first."""
        self._log.warning("{}", message)


def is_terminal() -> bool:
    """Return True if stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()  # None if it is closed


class Bar:
    """A progress bar with tracks per second and the time left; invisible unless `shown`."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self._bar = _progress(shown=shown)
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, tracks: int = 1) -> None:
        """Count tracks that are done; those of an album at once, or the speed would be wrong."""
        self._bar.advance(self._task, tracks)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Hide the bar while a message is printed."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()


def _progress(*, shown: bool) -> Progress:
    from rich import progress  # slow to import
    from rich.console import Console
    from rich.text import Text

    class SpeedColumn(progress.ProgressColumn):
        """Tracks per second, over the last half minute."""

        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.1f} tracks/s")

    return progress.Progress(
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        SpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not shown,
    )
