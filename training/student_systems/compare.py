"""Trains and scores the five student systems on several protocols.

Each result is cached under `.cache/comparison`, keyed by the data, the hyperparameters and the
bundled network, so an interrupted run can be resumed. After other changes to the code, delete the
cache with `make clean`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]  # scikit-learn's own
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from genremodel.audio.params import WINDOW_SAMPLES
from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.models import bundled as assets
from genremodel.models.bundled import MSD_FILE
from genremodel.models.musicnn import bundled_session
from training.datasets import gtzan_mel
from training.datasets.index_csv import read_index
from training.datasets.songs import SongTable
from training.datasets.track import DataError
from training.student_systems.baseline import Baseline, View
from training.student_systems.protocols import PROTOCOLS, protocols_of
from training.student_systems.registry import BASELINES
from training.student_systems.results import Result, measure
from training.student_systems.views import VIEWS, cut, taggrams

CACHE = Path(__file__).parents[2] / ".cache" / "comparison"
EXCERPT_SECONDS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0)
_QUICK_SHARE = 4  # every fourth song

console = Console()


class Sources:
    """The songs of a data folder, in every view that a baseline reads.

    Parameters
    ----------
    folder
        The project's data.
    every
        1 for all songs, n for every n-th.

    Attributes
    ----------
    excerpted : list of str
        The song of each validation file that the bundled model is scored on; some have two files.
    """

    def __init__(self, folder: Path, every: int = 1) -> None:
        self.whole, self.taggrams = (
            songs[np.arange(0, len(songs), every)]
            for songs in (gtzan_mel.load(folder), taggrams(folder))
        )
        clips = read_index(folder / "gtzan-clips")
        self.excerpted = [song for track, song in clips if track.split == "valid"]
        self.songs: Callable[[View], SongTable] = cache(self._songs)
        self._spectrograms_hash = joblib.hash(self.whole)
        self._activations_hash = joblib.hash((self.taggrams, assets.checksum(MSD_FILE)))

    def _songs(self, view: View) -> SongTable:
        if view == "activations":
            return self.taggrams
        return self.whole.with_values(VIEWS[view](cut(self.whole.values)))

    def excerpts(self, view: View) -> dict[float, SongTable]:
        """Return excerpts of the held-out songs, by their length in seconds."""
        songs = self.whole[self.whole.held_out]
        return {
            seconds: songs.with_values(VIEWS[view](cut(songs.values, seconds)))
            for seconds in EXCERPT_SECONDS
        }

    def read_one(self, view: View) -> Callable[[], NDArray[Any]]:
        """Return a function that computes the view of one song, to measure its time."""
        if view == "activations":
            noise = np.random.default_rng(0).normal(size=(DEFAULT_WINDOWS, WINDOW_SAMPLES))
            windows = noise.astype(np.float32)
            return lambda: bundled_session().run(windows)[0][np.newaxis]
        return lambda: VIEWS[view](cut(self.whole.values[:1]))

    def fingerprint(self, baseline: Baseline) -> str:
        """Return a hash of the songs, the hyperparameters and the bundled network."""
        songs = (
            self._activations_hash if baseline.view == "activations" else self._spectrograms_hash
        )
        return str(joblib.hash((songs, baseline.make(None))))[:16]


def compare(
    folder: Path, only: Sequence[str] = (), *, quick: bool = False
) -> tuple[dict[tuple[str, str], Result], list[str]] | None:
    """Score the baselines, and print and cache each result.

    Parameters
    ----------
    folder
        The project's data.
    only
        Names of the baselines to score; all if empty.
    quick
        Use every fourth song.

    Returns
    -------
    tuple or None
        Results by baseline and protocol, and the song of each validation file; None while the
        results of some baselines are missing.

    Raises
    ------
    DataError
        If the data is missing or a name is unknown.
    """
    if unknown := set(only) - set(BASELINES):
        raise DataError(f"unknown: {', '.join(sorted(unknown))}. Available: {', '.join(BASELINES)}")
    sources = Sources(folder, _QUICK_SHARE if quick else 1)
    results: dict[tuple[str, str], Result] = {}
    missing = []
    for name, baseline in BASELINES.items():
        for protocol in protocols_of(baseline):
            path = result_path(sources, baseline, protocol)
            wanted = name in (only or BASELINES)
            if wanted and not path.exists():
                _measure(baseline, protocol, sources).save(path)
            if not path.exists():
                missing.append(f"{name} ({protocol})")
                continue
            result = results[name, protocol] = Result.load(path)
            if wanted:
                figures = f"{result.accuracy:.3f}  {result.seconds:6.1f} s"
                console.print(f"{name:20} {protocol:16} {figures}")
    if missing:
        if not quick:
            console.print(f"comparison not written, results missing: {', '.join(missing)}")
        return None
    return results, sources.excerpted


def result_path(sources: Sources, baseline: Baseline, protocol: str) -> Path:
    """Return the file of a cached result."""
    name = f"{baseline.name}-{protocol.replace(' ', '-')}-{sources.fingerprint(baseline)}.json"
    return CACHE / "scores" / name


def _measure(baseline: Baseline, protocol: str, sources: Sources) -> Result:
    return measure(
        baseline,
        PROTOCOLS[protocol](sources.songs(baseline.view)),
        CACHE / "checkpoints",
        segments=protocol == "leaky",
        read_one=sources.read_one(baseline.view),
        excerpts=sources.excerpts(baseline.view) if protocol == "honest" else {},
    )
