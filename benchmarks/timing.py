"""Time functions in turn, and summarize the times.

They run in turn, round after round, so that a machine that slows down affects all of them. Figures
are medians; ratios are medians of the ratios within a round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

Figures: TypeAlias = dict[str, Any]
Function: TypeAlias = Callable[[Path], object]


def in_turn(
    functions: Mapping[str, Function],
    path: Path,
    rounds: int,
    clock: Callable[[], float] = perf_counter,
) -> dict[str, list[float]]:
    """Return the seconds of each function in each round, without a first round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds + 1):
        for name, run in functions.items():
            start = clock()
            run(path)
            times[name].append(clock() - start)
    return {name: values[1:] for name, values in times.items()}


def ms(seconds: Sequence[float]) -> int:
    """Return the median in milliseconds."""
    return round(1000 * median(seconds))


def ratio(these: Sequence[float], those: Sequence[float]) -> float:
    """Return the median of the ratios within a round."""
    return round(median(a / b for a, b in zip(these, those, strict=True)), 2)


def difference(these: Sequence[float], those: Sequence[float]) -> int:
    """Return the median of the differences within a round, in milliseconds."""
    return ms([a - b for a, b in zip(these, those, strict=True)])


def speed(tracks: int, seconds: float) -> Figures:
    """Return the time and the rate."""
    return {"seconds": round(seconds, 1), "tracks_per_second": round(tracks / seconds, 1)}
