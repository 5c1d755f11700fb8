"""Read the files of a corpus into tables, in worker processes and through the analysis cache."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import accumulate, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track as progress

from genremodel.analysis import Analysis
from genremodel.analyzer import DEFAULT_TIMEOUT
from genremodel.audio.places import DEFAULT_WINDOWS, evenly_spaced
from genremodel.audio.windows import Windows
from genremodel.batch.pool import Pool
from genremodel.batch.worker import AnalysisMethod, WindowsMethod, WorkerConfig
from genremodel.cluster import Cluster
from genremodel.display import displayable, one_line
from genremodel.errors import AudioError
from genremodel.models.base import WindowAnalyzer
from genremodel.models.musicnn import MTT_WINDOWS
from training.augmentation import MAX_COPIES, draw_count
from training.datasets.track import DataError, Split, Track
from training.methods import Altered, Features, Networks, SinglePrecision, single_precision
from training.synthetic_nonmusic import nonmusic
from training.window_table import FITTED_WINDOWS, Role, TrackTable, WindowTable, are_many

CACHE = Path(__file__).parent.parent / ".cache" / "analyses.db"


class Reader:
    """Reads files into tables, and names each that fails once on the standard error.

    cache: the file of the analysis cache. workers: by default, one per CPU. timeout: seconds per
    file. cluster: reads them instead of this machine; then methods raise ClusterError, too.
    """

    def __init__(
        self,
        cache: Path = CACHE,
        workers: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        cluster: Cluster | None = None,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._workers = workers
        self._timeout = timeout
        self._reported: set[Path | str] = set()

    def outputs(
        self, tracks: Sequence[Track], networks: Networks, *, altered: bool = False
    ) -> WindowTable:
        """Return the outputs of both networks. Raises DataError when no track is readable.

        The outputs of many tracks have half precision: they are analyses of the product, which its
        cache may have, and take half of the memory.
        altered: also return those of augmented windows, see `augmented`.
        """
        many = are_many(len(tracks) * DEFAULT_WINDOWS)
        method = WindowsMethod(networks, DEFAULT_WINDOWS) if many else SinglePrecision(networks)
        rows = _Rows(len(tracks) * (DEFAULT_WINDOWS + MAX_COPIES * altered))
        known: list[Track] = []
        draws = [0]
        with self._pool(method) as pool:
            for track, analysis in self._analyses(pool, tracks):
                values = analysis.values if many else single_precision(analysis)
                rows.add(track, track.split, values[analysis.audible])
                known.append(track)
                draws.append(draw_count(min(len(analysis.starts), MTT_WINDOWS)))
            if altered:
                methods = (Altered(networks, start) for start in accumulate(draws))
                for track, analysis in self._analyses(pool, known, methods):
                    values = single_precision(analysis)[analysis.audible]
                    if many:
                        values = values[evenly_spaced(np.arange(len(values)), FITTED_WINDOWS)]
                    rows.add(replace(track, name=f"{track.name} altered"), "altered", values)
        return rows.table(tracks)

    def features(self, tracks: Sequence[Track], groups: Collection[str]) -> WindowTable:
        """Return librosa features of some groups. Raises DataError when no track is readable."""
        return self._values(tracks, Features(tuple(groups)))

    def sounds(
        self, recordings: Sequence[Track], analyzer: WindowAnalyzer, each: int
    ) -> WindowTable:
        """Return the values of sounds that are not music, recorded and synthesized.

        each: number of synthesized sounds of each kind.
        """
        table = _synthesized(analyzer, each)
        if recordings:
            table += self._values(recordings, analyzer).in_role("recorded")
        return table

    def _values(self, tracks: Sequence[Track], analyzer: WindowAnalyzer) -> WindowTable:
        rows = _Rows(len(tracks) * DEFAULT_WINDOWS)
        with self._pool(SinglePrecision(analyzer)) as pool:
            for track, analysis in self._analyses(pool, tracks):
                rows.add(track, track.split, single_precision(analysis)[analysis.audible])
        return rows.table(tracks)

    @contextmanager
    def _pool(self, method: AnalysisMethod) -> Iterator[Pool]:
        """Analyze files, by default with a method, and report problems of the workers."""
        with suppress(OSError):  # the cache will have the reason
            self._cache.parent.mkdir(parents=True, exist_ok=True)
        config = WorkerConfig(method, DEFAULT_WINDOWS, self._cache, self._timeout, retry=False)
        cluster = self._cluster.workers if self._cluster else None
        with Pool(config, method, self._workers, cluster) as pool:
            yield pool
            for problem in pool.problems:
                self._report(problem)

    def _analyses(
        self,
        pool: Pool,
        tracks: Sequence[Track],
        methods: Iterable[AnalysisMethod | None] = repeat(None),
    ) -> Iterator[tuple[Track, Analysis]]:
        """Yield the tracks that can be analyzed, with their analyses."""
        found = zip(tracks, pool.map((track.path for track in tracks), methods), strict=True)
        console = Console(stderr=True)
        watched = progress(
            found, f"{len(tracks)} files", len(tracks),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        for track, (path, result) in watched:
            if isinstance(result, AudioError):
                self._report(f"{displayable(path)}: {one_line(str(result))}", about=path)
            else:
                yield track, result

    def _report(self, message: str, about: Path | None = None) -> None:
        """Print a message, but only the first one about the same file."""
        if (about or message) not in self._reported:
            self._reported.add(about or message)
            print(message, file=sys.stderr)


class _Rows:
    """The rows of a table while files are read, in a single array to save memory."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: NDArray[np.floating[Any]] | None = None
        self._track = np.empty(capacity, np.int32)
        self._tracks: list[tuple[str, str, str, float, Role | Split]] = []
        self._end = 0

    def add(self, track: Track, role: Role | Split, values: NDArray[np.floating[Any]]) -> None:
        """Add the audible windows of a track, (windows, columns)."""
        if not len(values):
            return
        if self._values is None:
            self._values = np.empty((self._capacity, values.shape[1]), values.dtype)
        rows = slice(self._end, self._end + len(values))
        self._values[rows], self._track[rows] = values, len(self._tracks)
        self._tracks.append((track.name, track.genre, track.group, track.weight, role))
        self._end = rows.stop

    def table(self, files: Sequence[Track]) -> WindowTable:
        """Return the table. files: that were read. Raises DataError if there are no rows."""
        if self._values is None:
            raise DataError(f"none of {len(files)} files can be analyzed")
        tracks = TrackTable(*map(np.array, zip(*self._tracks, strict=True)))
        return WindowTable(self._values[: self._end], self._track[: self._end], tracks)


def _synthesized(analyzer: WindowAnalyzer, each: int) -> WindowTable:
    """Return the values of synthesized sounds of one window."""
    kinds = nonmusic(each, np.random.default_rng(0))
    kind = np.repeat([*kinds], each)
    sounds = np.concatenate([*kinds.values()])
    values = [analyzer.analyze(Windows(np.zeros(1), sound[np.newaxis])) for sound in sounds]
    names = np.char.add(kind, [f" {number}" for number in range(len(kind))])
    return WindowTable.from_rows(np.concatenate(values), names, kind, kind, "synthesized")
