"""`python -m benchmarks.runtimes`: compare ONNX Runtime and NumPy, on a single thread.

Prints time per track and the agreement of the predictions on the GTZAN excerpts of the training
data, as Markdown.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # as in worker processes; NumPy reads it when it is imported

from dataclasses import dataclass, field
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track as progress

from genremodel import Analysis, GenreClassifier
from genremodel.audio.windows import read_windows
from genremodel.models.musicnn import RUNTIMES, MusicnnPair
from genremodel.prediction import Prediction
from training.corpus import DEFAULT_FOLDER
from training.datasets import gtzan_clips
from training.reports.markdown import rows


@dataclass
class Run:
    """The results of one runtime on the same tracks."""

    networks: MusicnnPair
    seconds: list[float] = field(default_factory=list)  # of whole excerpts, networks alone
    values: list[NDArray[np.float32]] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)


def main() -> None:
    classifier = GenreClassifier()
    runs = [Run(MusicnnPair.bundled(runtime)) for runtime in RUNTIMES]
    decoding: list[float] = []
    tracks = gtzan_clips.load(DEFAULT_FOLDER)
    for track in progress(tracks, "analyzing"):
        start = process_time()
        windows = read_windows(track.path)
        is_whole = len(windows.starts) == 10
        if is_whole:
            decoding.append(process_time() - start)
        for run in runs:
            start = process_time()
            values = run.networks.run(windows)
            if is_whole:
                run.seconds.append(process_time() - start)
            run.values.append(values)
            analysis = Analysis(windows.starts, windows.audible, values.astype(np.float16))
            run.predictions.append(classifier.predict(analysis))
    print(times(decoding, *runs))
    print(agreement(*runs))


def times(decoding: list[float], onnx: Run, numpy: Run) -> str:
    """Return a table of the medians of tracks of ten windows."""
    ratio = median(b / a for a, b in zip(onnx.seconds, numpy.seconds, strict=True))
    cells = [
        ("decoding", ms(decoding), ""),
        ("networks, ONNX Runtime", ms(onnx.seconds), "1.0"),
        ("networks, NumPy", ms(numpy.seconds), f"{ratio:.1f}"),
    ]
    header = f"| {len(decoding)} tracks of ten windows | CPU ms per track | ratio |"
    return f"{header}\n|---|---:|---:|\n{rows(cells)}\n"


def agreement(onnx: Run, numpy: Run) -> str:
    """Return a table of the differences on all tracks."""
    pairs = [*zip(onnx.predictions, numpy.predictions, strict=True)]
    same = sum((a.genre, a.reason) == (b.genre, b.reason) for a, b in pairs)
    confidences = np.array([(a.confidence or 0, b.confidence or 0) for a, b in pairs])
    outputs = [largest(a, b) for a, b in zip(onnx.values, numpy.values, strict=True)]
    cells = [
        ("tracks with the same genre or reason", f"{same} of {len(pairs)}"),
        ("largest difference of confidences", f"{np.abs(np.diff(confidences)).max():.1e}"),
        ("largest difference of network outputs", f"{max(outputs):.1e}"),
    ]
    return f"| agreement | |\n|---|---:|\n{rows(cells)}"


def largest(these: NDArray[Any], those: NDArray[Any]) -> float:
    """Return the largest difference; both are NaN where MTT-musicnn analyzed nothing."""
    assert (np.isnan(these) == np.isnan(those)).all()
    return float(np.nanmax(np.abs(these - those)))


def ms(seconds: list[float]) -> str:
    return f"{1000 * median(seconds):.0f}"


if __name__ == "__main__":
    main()
