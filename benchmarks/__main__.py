"""`make bench`: what a track costs, step by step, beside decoding all of it with librosa.

`python -m benchmarks [FILE...]`; by default the twelve excerpts of the demo. Every step is timed on
every file in turn, so that a machine that slows down slows all of them; medians are shown.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import librosa
from rich.console import Console
from rich.table import Table

from demo import extract_excerpts
from genremodel.audio import Windows, read_windows
from genremodel.backends import Cnn, Knn
from genremodel.constants import SAMPLE_RATE
from genremodel.decision import decide
from genremodel.spectrogram import power_spectrogram

ROUNDS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if not sys.argv[1:]:
            extract_excerpts(Path(folder))
        files = [Path(name) for name in sys.argv[1:]] or sorted(Path(folder).iterdir())
        measure(files)


def measure(files: list[Path]) -> None:
    cnn, knn = Cnn(), Knn()
    windows: dict[Path, Windows] = {path: read_windows(path) for path in files}

    def whole_track(path: Path) -> None:
        heard = cnn.analyse(read_windows(path))
        decide(cnn.predict_proba(heard), heard.starts, heard.audible, cnn.rules)

    steps: dict[str, Callable[[Path], object]] = {
        "the whole path of a track": whole_track,
        "decoding ten windows": read_windows,
        "power spectrograms": lambda path: power_spectrogram(windows[path].samples),
        "spectrograms, CNN and head": lambda path: cnn.predict_proba(cnn.analyse(windows[path])),
        "KNN fallback in the place of the CNN": lambda path: knn.predict_proba(
            knn.analyse(windows[path])
        ),
        "librosa.load of the whole file": lambda path: librosa.load(path, sr=SAMPLE_RATE),
    }
    times: dict[str, list[float]] = {step: [] for step in steps}
    for _ in range(ROUNDS + 1):
        for path in files:
            for step, run in steps.items():
                start = perf_counter()
                run(path)
                times[step].append(perf_counter() - start)
    first = median(times["the whole path of a track"][len(files) :])
    table = Table("step", "ms a track", "of the whole path", title=f"{len(files)} files")
    for step, values in times.items():
        value = median(values[len(files) :])  # the first round warms up
        table.add_row(step, f"{1000 * value:.1f}", f"{value / first:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
