"""Runs of consecutive windows with one genre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from genremodel.audio.params import WINDOW_SECONDS
from genremodel.prediction import WindowPrediction


@dataclass(frozen=True)
class Run:
    """A part of a track whose windows have one genre.

    Parameters
    ----------
    start, end : float
        Seconds from the start of the track.
    genre : str or None
        None if the windows are silent.
    """

    start: float
    end: float
    genre: str | None


def genre_runs(windows: Sequence[WindowPrediction], duration: float) -> list[Run]:
    """Return the runs of windows with one genre, from the start of a track to its end.

    A run ends halfway between its last window and the first window of the next run.

    Parameters
    ----------
    windows : sequence of WindowPrediction
        In order of time.
    duration : float
        Of the track, in seconds.

    Examples
    --------
    >>> windows = [WindowPrediction(start, "jazz", 0.8) for start in (5.0, 15.0)]
    >>> for run in genre_runs([*windows, WindowPrediction(25.0, "metal", 0.7)], 33.0):
    ...     print(run)
    Run(start=0.0, end=21.5, genre='jazz')
    Run(start=21.5, end=33.0, genre='metal')
    """
    if not windows:
        return []
    groups = [[*group] for _, group in groupby(windows, key=lambda window: window.genre)]
    bounds = [(a[-1].start + WINDOW_SECONDS + b[0].start) / 2 for a, b in pairwise(groups)]
    end = max(duration, windows[-1].start)  # durations in headers may be wrong
    parts = zip([0.0, *bounds], [*bounds, end], groups, strict=True)
    return [Run(start, end, group[0].genre) for start, end, group in parts]
