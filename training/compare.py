"""Trains the five student systems on three protocols and writes how they compare.

Every (model, protocol) is measured once and kept under `.cache/comparison`, so that a run that was
interrupted goes on, and the document can be written again. `make clean` forgets all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from genremodel.backbone import bundled_backbone
from genremodel.constants import DEFAULT_WINDOWS, WINDOW_SAMPLES
from training.baselines.baseline import Baseline, View
from training.baselines.registry import BASELINES
from training.comparison import document
from training.comparison.protocols import PROTOCOLS
from training.comparison.results import Result, measure
from training.comparison.views import VIEWS, cut, taggrams
from training.datasets import gtzan_mel
from training.datasets.track import DataError
from training.songs import Songs

CACHE = Path(__file__).parent.parent / ".cache" / "comparison"
SECONDS_HEARD = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0)
_QUICK_SHARE = 4  # every fourth song

console = Console()


class Sources:
    """The songs of a data folder, seen in every way that a baseline reads them.

    every: 1 for all songs, n for every n-th.
    """

    def __init__(self, folder: Path, every: int = 1) -> None:
        self.every = every
        self.folder = folder
        self.whole = self._some(gtzan_mel.load(folder))
        self.songs: Callable[[View], Songs] = cache(self._songs)

    def _songs(self, view: View) -> Songs:
        if view == "activations":
            return self._some(taggrams(self.folder))
        return self.whole.with_values(VIEWS[view](cut(self.whole.values)))

    def excerpts(self, view: View) -> dict[float, Songs]:
        """Return the held-out songs, heard for as many seconds. Of activations there are none."""
        if view == "activations":
            return {}
        songs = self.whole[self.whole.held_out]
        return {
            seconds: songs.with_values(VIEWS[view](cut(songs.values, seconds)))
            for seconds in SECONDS_HEARD
        }

    def read_one(self, view: View) -> Callable[[], NDArray[Any]]:
        """Return what reads one song: from its spectrogram, or the backbone from its samples."""
        if view == "activations":
            noise = np.random.default_rng(0).normal(size=(DEFAULT_WINDOWS, WINDOW_SAMPLES))
            windows = noise.astype(np.float32)
            return lambda: bundled_backbone().run(windows)[0][np.newaxis]
        return lambda: VIEWS[view](cut(self.whole.values[:1]))

    def _some(self, songs: Songs) -> Songs:
        return songs[np.arange(0, len(songs), self.every)]


def compare(folder: Path, only: Sequence[str] = (), *, quick: bool = False) -> None:
    """Measure the baselines, those named or all, and write the document.

    quick: every fourth song, measured apart, only printed. Raises DataError where the songs are
    not there or a name is unknown.
    """
    if unknown := set(only) - set(BASELINES):
        raise DataError(f"{', '.join(sorted(unknown))}: not among {', '.join(BASELINES)}")
    kept = CACHE / "quick" if quick else CACHE
    sources = Sources(folder, _QUICK_SHARE if quick else 1)
    for name in only or BASELINES:
        for protocol in PROTOCOLS:
            path = result_path(kept, name, protocol)
            if not path.exists():
                _measure(BASELINES[name], protocol, sources, kept).save(path)
            result = Result.load(path)
            console.print(f"{name:20} {protocol:16} {result.accuracy:.3f}  {result.seconds:6.1f} s")
    if not quick:
        document.write(load_results(kept))


def load_results(kept: Path) -> dict[tuple[str, str], Result]:
    """Return what has been measured, by baseline and protocol."""
    return {
        (name, protocol): Result.load(path)
        for name in BASELINES
        for protocol in PROTOCOLS
        if (path := result_path(kept, name, protocol)).exists()
    }


def result_path(kept: Path, name: str, protocol: str) -> Path:
    """Return where a result is kept."""
    return kept / "results" / f"{name}-{protocol.replace(' ', '-')}.json"


def _measure(baseline: Baseline, protocol: str, sources: Sources, kept: Path) -> Result:
    return measure(
        baseline,
        PROTOCOLS[protocol](sources.songs(baseline.view)),
        kept / "checkpoints",
        segments=protocol == "leaky",
        read_one=sources.read_one(baseline.view),
        excerpts=sources.excerpts(baseline.view) if protocol == "honest" else {},
    )
