"""Time `beet genreclf` and `beet ls` on whole libraries."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from beetsplug.genreclf.fields import CONFIDENCE, PREDICTED_GENRE
from benchmarks.library import Library, stream_copies
from benchmarks.one_track import SECONDS
from benchmarks.timing import Figures, Function, difference, in_turn, ms, ratio, speed
from tests.sounds import melody, write

_TRACKS = (100, 1000)
_ITEMS = 100_000


def command(root: Path) -> Figures:
    """Time `beet genreclf` and `beet ls` on libraries of different sizes."""
    sample, tracks = _TRACKS
    original = write(root / "a.mp3", melody(SECONDS))
    stream_copies(original, root / "music", tracks)
    library = Library(root, root / "music")
    library.configure()
    library.beet("import", "--quiet", "--noautotag", "--singletons", str(root / "music"))
    some = []
    for threads in (1, 2):
        library.configure(threads=threads)
        some.append(library.beet("genreclf", "--force", "--no-cache", f"id:1..{sample}"))
    everything, memory = library.watched("genreclf", "--force")
    cached = library.beet("genreclf", "--force")
    one_worker, two_workers = some
    lists = in_turn(with_and_without(library, [], "title:nothing"), root, 15)
    large = Library(root / "large", root / "music")
    large.configure()
    large.fill(_ITEMS)
    query = f"{PREDICTED_GENRE}:jazz", f"{CONFIDENCE}:0.8.."
    queries = in_turn(with_and_without(large, ["types"], *query), root, 3)
    return {
        "sample": sample,
        "tracks": tracks,
        "one_worker": speed(sample, one_worker),
        "two_workers": speed(sample, two_workers),
        "all": speed(tracks, everything),
        "steady": speed(tracks - sample, everything - two_workers),
        "cached": speed(tracks, cached),
        "memory_mb": round(max(memory)),
        "list": {
            "with_ms": ms(lists["with"]),
            "without_ms": ms(lists["without"]),
            "difference_ms": difference(lists["with"], lists["without"]),
        },
        "query": {
            "query": " ".join(query),
            "items": _ITEMS,
            "with_ms": ms(queries["with"]),
            "without_ms": ms(queries["without"]),
            "ratio": ratio(queries["with"], queries["without"]),
        },
        "cold_start_ms": ms(in_turn({"cold": one_shot}, original, 3)["cold"]),
    }


def with_and_without(library: Library, others: Sequence[str], *query: str) -> dict[str, Function]:
    """Return functions that list tracks with the plugin, and with others instead."""

    def listed(plugins: Sequence[str]) -> Function:
        def run(_: Path) -> None:
            library.configure(plugins=plugins)
            library.beet("ls", *query)

        return run

    return {"with": listed(["genreclf"]), "without": listed(others)}


def one_shot(path: Path) -> None:
    """Classify a file in a new process."""
    arguments = [sys.executable, "-m", "genremodel", "--json", str(path)]
    subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)
