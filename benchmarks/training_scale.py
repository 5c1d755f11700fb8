"""Build and fit the table of 100,000 synthetic tracks: time, memory and accuracy.

Takes a few minutes, 2 GB of memory and 1 GB of temporary files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, TAGS, Analysis, NetworkOutputs
from genremodel.audio.places import DEFAULT_WINDOWS, FIRST_WINDOWS, chosen_places, evenly_spaced
from genremodel.batch.cache import Cache, FileState
from genremodel.batch.cache_merge import merge
from genremodel.batch.worker import WindowsMethod
from genremodel.models import bundled
from genremodel.models._special import expit
from genremodel.models.heads import tag_logits
from tests.memory import peak_memory
from training import window_table
from training.corpus import DEFAULT_FOLDER
from training.datasets import gtzan_taggrams
from training.datasets.track import Track
from training.fit import fit_heads
from training.methods import Networks
from training.reading import Reader
from training.window_table import TrackTable, WindowTable

TRACKS = 100_000
TESTED = 5  # one song in so many is not copied, but tested on
TRACK_NOISE, WINDOW_NOISE = 1.0, 0.5  # of tag logits
TIME_BAR, MEMORY_BAR, ACCURACY_BAR = 0.4, 0.7, 0.005  # of the fit, compared with all rows
TABLE_BAR = 1.5  # GB

_MB = 1e6


@dataclass(frozen=True)
class Measurement:
    """Of a process. seconds: elapsed. cpu: seconds. peak: MB, with the data."""

    seconds: float
    cpu: float
    peak: float
    accuracy: float | None = None


class Songs:
    """Real songs: some to make synthetic tracks of, and others to test on."""

    def __init__(self) -> None:
        table = gtzan_taggrams.load(DEFAULT_FOLDER)
        self.genre, artist, self.members = table.by_track()
        activations = NetworkOutputs.split(table.values).activations
        self.logits = [tag_logits(activations[track]) for track in self.members]
        is_tested = np.unique(artist, return_inverse=True)[1] % TESTED == 0
        self.copied, self.tested = np.flatnonzero(~is_tested), np.flatnonzero(is_tested)
        # There are no outputs of the second network for songs: others of the same information.
        self._mixing = np.linalg.qr(np.random.default_rng(1).normal(size=(TAGS, TAGS)))[0]

    def values(self, logits: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the joined outputs of both networks for windows with these tag logits."""
        first = np.isin(np.arange(len(logits)), chosen_places(FIRST_WINDOWS, len(logits)))
        expert = np.full((len(logits), TAGS), np.nan)
        expert[first] = expit(logits[first] @ self._mixing)
        embeddings = np.zeros((len(logits), EMBEDDING_SIZE))
        expert_embeddings = np.where(first[:, np.newaxis], embeddings, np.nan)
        outputs = NetworkOutputs(expit(logits), embeddings, expert, expert_embeddings)
        return outputs.join().astype(np.float32)

    def synthetic(self) -> Iterator[tuple[Track, NDArray[np.float32]]]:
        """Yield synthetic tracks: copies of songs, with noise of the track and of each window."""
        rng = np.random.default_rng(0)
        for number in range(TRACKS):
            song = rng.choice(self.copied)
            windows = evenly_spaced(np.arange(len(self.logits[song])), DEFAULT_WINDOWS)
            noise = rng.normal(0, TRACK_NOISE, TAGS) + rng.normal(
                0, WINDOW_NOISE, (len(windows), TAGS)
            )
            folder = f"a folder of music/genre {self.genre[song]}"
            name = f"{folder}/the name of the track with number {number}.mp3"
            artist = f"the artist {song} of the group {number % 100}"
            track = Track(Path(name), name, str(self.genre[song]), artist)
            yield track, self.values(self.logits[song][windows] + noise)

    def table(self, precision: type[np.floating[Any]]) -> WindowTable:
        """Return the table of the synthetic tracks."""
        values = np.empty((TRACKS * DEFAULT_WINDOWS, 2 * (TAGS + EMBEDDING_SIZE)), precision)
        tracks = []
        for number, (track, found) in enumerate(self.synthetic()):
            values[number * DEFAULT_WINDOWS : (number + 1) * DEFAULT_WINDOWS] = found
            tracks.append((track.name, track.genre, track.group, 1.0, "train"))
        owner = np.repeat(np.arange(TRACKS, dtype=np.int32), DEFAULT_WINDOWS)
        columns = map(np.array, zip(*tracks, strict=True))
        return WindowTable(values, owner, TrackTable(*columns))


def fit_all_rows(folder: Path) -> Measurement:
    """Fit as few rows are fitted: all of them, in double precision."""
    window_table.MANY_ROWS = TRACKS * DEFAULT_WINDOWS
    return _fit(np.float32)


def fit_many_rows(folder: Path) -> Measurement:
    """Fit as many rows are fitted."""
    return _fit(np.float16)


def _fit(precision: type[np.floating[Any]]) -> Measurement:
    songs = Songs()
    table = songs.table(precision)
    start, cpu_start = perf_counter(), process_time()
    heads = fit_heads(table)
    seconds, cpu, peak = perf_counter() - start, process_time() - cpu_start, peak_memory() / _MB
    correct = [
        table.genres[heads.predict_proba(songs.values(songs.logits[song])).probabilities.argmax(1)]
        == songs.genre[song]
        for song in songs.tested
    ]
    return Measurement(seconds, cpu, peak, float(np.concatenate(correct).mean()))


def fill_cache(folder: Path) -> Measurement:
    """Cache analyses of the synthetic tracks, whose files are empty."""
    start, cpu_start = perf_counter(), process_time()
    method = WindowsMethod(_networks(), DEFAULT_WINDOWS)
    starts, audible = np.arange(float(DEFAULT_WINDOWS)), np.ones(DEFAULT_WINDOWS, np.bool_)
    with Cache(_cache(folder), method.version, DEFAULT_WINDOWS) as cache:
        for number, (track, values) in enumerate(Songs().synthetic()):
            path = folder / track.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            digest = number.to_bytes(16, "big")
            cache.put(digest, Analysis(starts, audible, values.astype(np.float16)))
            cache.link_file(digest, FileState.from_path(path))
    return Measurement(perf_counter() - start, process_time() - cpu_start, peak_memory() / _MB)


def read_table(folder: Path) -> Measurement:
    """Read the table of the tracks from the cache."""
    files = sorted((folder / "a folder of music").glob("*/*"))
    tracks = [Track(path, path.name, path.parent.name, path.name) for path in files]
    start, cpu_start = perf_counter(), process_time()
    table = Reader(_cache(folder)).outputs(tracks, _networks())
    assert table.values.shape[0] == TRACKS * DEFAULT_WINDOWS
    return Measurement(perf_counter() - start, process_time() - cpu_start, peak_memory() / _MB)


def merge_cache(folder: Path) -> Measurement:
    """Merge the cache of the tracks into an empty one."""
    version = WindowsMethod(_networks(), DEFAULT_WINDOWS).version
    start, cpu_start = perf_counter(), process_time()
    with Cache(folder / "merged.db", version, DEFAULT_WINDOWS) as cache:
        assert merge(cache, _cache(folder)).added == TRACKS
    return Measurement(perf_counter() - start, process_time() - cpu_start, peak_memory() / _MB)


MEASURED: Mapping[str, Callable[[Path], Measurement]] = {
    "fit, all rows, double precision": fit_all_rows,
    "fit, two windows a track, single precision": fit_many_rows,
    "cache filled": fill_cache,
    "table read from the cache": read_table,
    "cache merged into an empty one": merge_cache,
}


def _networks() -> Networks:
    return Networks.in_folder(bundled.FOLDER)


def _cache(folder: Path) -> Path:
    return folder / "analyses.db"


def _in_own_process(name: str, folder: Path) -> Measurement:
    command = [sys.executable, "-m", "benchmarks.training_scale", name, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in a build
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
    return Measurement(**json.loads(output))


def training_scale(root: Path) -> dict[str, Any]:
    """Return the measurements, and what is required of them."""
    found = {name: _in_own_process(name, root) for name in MEASURED}
    every, many, _, table, _ = found.values()
    bars = [
        ("processor time of the fit, ratio", many.cpu / every.cpu, TIME_BAR),
        ("memory of the fit, ratio", many.peak / every.peak, MEMORY_BAR),
        ("accuracy lost", (every.accuracy or 0) - (many.accuracy or 0), ACCURACY_BAR),
        ("memory of the table, GB", table.peak / 1000, TABLE_BAR),
    ]
    return {
        "tracks": TRACKS,
        "steps": [{"step": name, **asdict(one)} for name, one in found.items()],
        "bars": [{"name": n, "measured": round(m, 3), "bar": bar} for n, m, bar in bars],
    }


if __name__ == "__main__":  # one step, in a process of its own
    name, folder = sys.argv[1:]
    print(json.dumps(asdict(MEASURED[name](Path(folder)))))
