"""Measure what installed models cost every `beet` command: `python -m benchmarks.startup`.

`beet ls` runs in turn in an empty library without models and in one with five, each of another
field. Processor time is compared, which other programs on the machine disturb least. The difference
is the median of the differences within a round.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from genremodel.custom.store import ModelStore
from tests.conftest import Beets
from tests.labeled_tracks import custom_model

_ROUNDS = 41
_FIELDS = ("mood", "energy", "taste", "era", "voice")


def main() -> None:
    with TemporaryDirectory(prefix="genreclf-startup-") as folder:
        none, five = _library(Path(folder, "none")), _library(Path(folder, "five"))
        models = ModelStore(five.root / "library.genre-models")
        for field in _FIELDS:
            models.save(replace(custom_model(), name=field, field=field))
        _seconds(five)  # compiles modules
        rounds = [(_seconds(none), _seconds(five)) for _ in range(_ROUNDS)]
    differences = [1000 * (with_models - without) for without, with_models in rounds]
    low, _, high = quantiles(differences, n=4)
    print(
        f"beet ls: {1000 * median(without for without, _ in rounds):.0f} ms without models; with "
        f"{len(_FIELDS)}: {median(differences):+.1f} ms (quartiles {low:+.1f} to {high:+.1f}, "
        f"{_ROUNDS} rounds)"
    )


def _library(root: Path) -> Beets:
    root.mkdir()
    beets = Beets(root)
    beets.write_settings()
    return beets


def _seconds(beets: Beets) -> float:
    environment = {**os.environ, "BEETSDIR": str(beets.root)}
    command = [sys.executable, "-m", "beets", "ls"]
    start = _used()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return _used() - start


def _used() -> float:
    """Return the processor time that child processes have used, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
