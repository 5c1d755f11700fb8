"""Measure the time that `windows: auto` saves.

Times a four-minute MP3 with ten windows, one on which the analysis stops after three, and one on
which it does not, in turn. Each is the whole path: digest, decoding, networks, prediction, tags.
The times are processor time of this process, so that other work on the machine disturbs them less.
"""

from __future__ import annotations

from pathlib import Path
from time import process_time

import numpy as np

from benchmarks.one_track import SECONDS, whole_path
from benchmarks.timing import Figures, Function, in_turn, ms, ratio
from genremodel import GenreClassifier
from genremodel.audio.places import DEFAULT_WINDOWS, FIRST_WINDOWS
from tests.sounds import melody, write

STOPPING = 0.55  # of songs by unseen artists; `python -m training early-stop` measures it
_ROUNDS = 40
_BAR = 0.8  # of the expected ratio


def early_stop(root: Path) -> Figures:
    """Return the times, and their ratio on a library where some analyses stop."""
    np.empty(1 << 24, np.uint8)  # as in workers, see `genremodel.batch.worker`
    path = write(root / "a.mp3", melody(SECONDS))
    stops = GenreClassifier(windows="auto")
    goes_on = GenreClassifier(windows="auto", min_confidence=1.0)  # never confident enough
    assert len(stops.analyze(path).starts) == FIRST_WINDOWS
    assert len(goes_on.analyze(path).starts) == DEFAULT_WINDOWS
    ways: dict[str, Function] = {
        "ten": whole_path(GenreClassifier(), path),
        "stops": whole_path(stops, path),
        "goes_on": whole_path(goes_on, path),
    }
    times = in_turn(ways, path, _ROUNDS, process_time)
    ratios = {name: ratio(times[name], times["ten"]) for name in ("stops", "goes_on")}
    expected = STOPPING * ratios["stops"] + (1 - STOPPING) * ratios["goes_on"]
    return {
        "ten_ms": ms(times["ten"]),
        **ratios,
        "stopping": STOPPING,
        "bars": [{"name": "expected ratio", "measured": round(expected, 3), "bar": _BAR}],
    }
