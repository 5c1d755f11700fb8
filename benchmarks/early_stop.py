"""`python -m benchmarks.early_stop`: the time that `windows: auto` saves.

Times a four-minute MP3 with ten windows, one on which the analysis stops after three, and one on
which it does not, in turn. Each is the whole path: digest, decoding, networks, prediction, tags.
The times are processor time of this process, so that other work on the machine disturbs them less.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

from benchmarks.__main__ import SECONDS, in_turn, whole_path
from genremodel import GenreClassifier
from genremodel.audio.places import DEFAULT_WINDOWS, FIRST_WINDOWS
from tests.sounds import melody, write

STOPPING = 0.55  # of songs by unseen artists; `python -m training early-stop` measures it
ROUNDS = 40


def main(stopping: float) -> None:
    np.empty(1 << 24, np.uint8)  # as in workers, see `genremodel.batch.worker`
    with tempfile.TemporaryDirectory(prefix="genreclf-bench-") as folder:
        path = write(Path(folder) / "a.mp3", melody(SECONDS))
        stops = GenreClassifier(windows="auto")
        goes_on = GenreClassifier(windows="auto", min_confidence=1.0)  # never confident enough
        assert len(stops.analyze(path).starts) == FIRST_WINDOWS
        assert len(goes_on.analyze(path).starts) == DEFAULT_WINDOWS
        ways: dict[str, Callable[[Path], object]] = {
            "ten": whole_path(GenreClassifier(), path),
            "stops": whole_path(stops, path),
            "goes on": whole_path(goes_on, path),
        }
        times = in_turn(ways, path, ROUNDS, process_time)
    ratios = {
        name: median(a / b for a, b in zip(times[name], times["ten"], strict=True))
        for name in ("stops", "goes on")
    }
    expected = stopping * ratios["stops"] + (1 - stopping) * ratios["goes on"]
    print("| ten windows, ms | stops, ratio | goes on, ratio | expected ratio |")
    print("|---:|---:|---:|---:|")
    cells = (*ratios.values(), expected)
    print(f"| {1000 * median(times['ten']):.0f} | {' | '.join(f'{each:.2f}' for each in cells)} |")
    print(f"Expected where the analysis stops on {stopping:.0%} of the tracks.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.early_stop", description=__doc__)
    parser.add_argument("--stopping", type=float, default=STOPPING, metavar="SHARE")
    main(parser.parse_args().stopping)
