"""Means over cross-validations, with confidence intervals by bootstrap over artists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 1000


class ByArtist(Protocol):
    """A column table with one row per track."""

    @property
    def artist(self) -> NDArray[np.str_]:
        """(tracks,)."""

    def __getitem__(self: Run, keep: NDArray[Any]) -> Run: ...


Run = TypeVar("Run", bound=ByArtist)
Figure: TypeAlias = Callable[[Run], float]  # NaN where no track has it


def estimates(runs: Sequence[Run], **named: Figure[Run]) -> dict[str, Any]:
    """Return the means of figures over runs, and their 95% confidence "intervals".

    Each run is resampled in turn. None where no track has the figure; resamples without such tracks
    are left out.
    """
    rng = np.random.default_rng(0)
    drawn = []
    for run in runs:
        rows = [np.flatnonzero(run.artist == artist) for artist in np.unique(run.artist)]
        for _ in range(_RESAMPLES // len(runs)):
            chosen = rng.integers(len(rows), size=len(rows))
            resample = run[np.concatenate([rows[index] for index in chosen])]
            drawn.append([figure(resample) for figure in named.values()])
    means = {name: mean(np.array([figure(run) for run in runs])) for name, figure in named.items()}
    return {
        **{name: None if isnan(value) else round(value, 4) for name, value in means.items()},
        "intervals": dict(zip(named, map(_interval, np.transpose(drawn)), strict=True)),
    }


def mean(values: NDArray[Any]) -> float:
    """Return the mean of the values that are known, NaN if none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _interval(drawn: NDArray[np.float64]) -> list[float] | None:
    known = drawn[np.isfinite(drawn)]
    return np.quantile(known, [0.025, 0.975]).round(3).tolist() if len(known) else None
