"""Trains the five student systems on three protocols and writes how they compare.

Every (model, protocol) is measured once and kept under `.cache/comparison`, so that a run that was
interrupted goes on, and the document can be written again. Other data, hyperparameters, backbone or
scikit-learn are measured anew; of other changes to the code nothing is known, and `make clean`
forgets all of it.
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
from genremodel.audio.windows import DEFAULT_WINDOWS
from genremodel.models import bundled as assets
from genremodel.models.bundled import MSD_FILE
from genremodel.models.musicnn import bundled_session
from training.datasets import gtzan_mel
from training.datasets.index import read_index
from training.datasets.track import DataError
from training.reports import comparison as document
from training.student_systems.baseline import Baseline, View
from training.student_systems.protocols import PROTOCOLS, protocols_of
from training.student_systems.registry import BASELINES
from training.student_systems.results import Result, measure
from training.student_systems.songs import Songs
from training.student_systems.views import VIEWS, cut, taggrams

CACHE = Path(__file__).parents[2] / ".cache" / "comparison"
SECONDS_HEARD = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0)
_QUICK_SHARE = 4  # every fourth song

console = Console()


class Sources:
    """The songs of a data folder, seen in every way that a baseline reads them.

    every: 1 for all songs, n for every n-th. excerpted: the held-out track of each validation file
    that the bundled model is scored with; of some there are two.
    """

    def __init__(self, folder: Path, every: int = 1) -> None:
        self.whole, self.taggrams = (
            songs[np.arange(0, len(songs), every)]
            for songs in (gtzan_mel.load(folder), taggrams(folder))
        )
        clips = read_index(folder / "gtzan-clips")
        self.excerpted = [song for track, song in clips if track.split == "valid"]
        self.songs: Callable[[View], Songs] = cache(self._songs)
        self._heard = joblib.hash(self.whole)
        self._activated = joblib.hash((self.taggrams, assets.checksum(MSD_FILE)))

    def _songs(self, view: View) -> Songs:
        if view == "activations":
            return self.taggrams
        return self.whole.with_values(VIEWS[view](cut(self.whole.values)))

    def excerpts(self, view: View) -> dict[float, Songs]:
        """Return the held-out songs, heard for as many seconds."""
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
            return lambda: bundled_session().run(windows)[0][np.newaxis]
        return lambda: VIEWS[view](cut(self.whole.values[:1]))

    def fingerprint(self, baseline: Baseline) -> str:
        """Return what changes with the songs, the hyperparameters and the backbone."""
        songs = self._activated if baseline.view == "activations" else self._heard
        return str(joblib.hash((songs, baseline.make(None))))[:16]


def compare(folder: Path, only: Sequence[str] = (), *, quick: bool = False) -> None:
    """Measure the baselines, those named or all, and write the document once all are measured.

    quick: every fourth song, only printed. Raises DataError where the songs are not there or a name
    is unknown.
    """
    if unknown := set(only) - set(BASELINES):
        raise DataError(f"{', '.join(sorted(unknown))}: not among {', '.join(BASELINES)}")
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
    if quick:
        return
    if missing:
        console.print(f"{document.DOCUMENT.name} is left as it was without {', '.join(missing)}")
    else:
        document.write(results, sources.excerpted)


def result_path(sources: Sources, baseline: Baseline, protocol: str) -> Path:
    """Return where a result is kept."""
    name = f"{baseline.name}-{protocol.replace(' ', '-')}-{sources.fingerprint(baseline)}.json"
    return CACHE / "results" / name


def _measure(baseline: Baseline, protocol: str, sources: Sources) -> Result:
    return measure(
        baseline,
        PROTOCOLS[protocol](sources.songs(baseline.view)),
        CACHE / "checkpoints",
        segments=protocol == "leaky",
        read_one=sources.read_one(baseline.view),
        excerpts=sources.excerpts(baseline.view) if protocol == "honest" else {},
    )
