"""`python -m benchmarks.soak`: speed and memory over a long run.

Imports and classifies twenty thousand different recordings of forty seconds, and classifies them
again from the cache. Takes half an hour and 13 GB of temporary files.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.library import Library, stream_copies
from tests.sounds import melody, write

TRACKS = 20_000
FRAMES = 1532  # forty seconds of an MP3 at 44.1 kHz


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="genreclf-soak-") as folder:
        root = Path(folder)
        original = write(root / "original.mp3", melody((TRACKS + FRAMES) * 1152 / 44_100 + 1))
        stream_copies(original, root / "music", TRACKS, FRAMES)
        library = Library(root, root / "music")
        library.configure(threads=2)
        seconds = library.beet(
            "import", "--quiet", "--noautotag", "--singletons", str(root / "music")
        )
        print(f"imported {TRACKS:,} tracks without the plugin in {seconds:.0f} s", flush=True)
        for title, arguments in (
            ("analyzed", []),
            ("run again, nothing to do", []),
            ("classified again from the cache", ["--force"]),
        ):
            seconds, memory = library.watched("genreclf", *arguments)
            tenth = len(memory) // 10
            print(
                f"{title}: {seconds:.0f} s, {TRACKS / seconds:.1f} tracks/s; memory, medians: "
                f"second tenth {median(memory[tenth : 2 * tenth]):.0f} MB, "
                f"last full tenth {median(memory[-2 * tenth : -tenth]):.0f} MB, "
                f"maximum {max(memory):.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__).parse_args()
    main()
