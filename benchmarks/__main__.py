"""`make bench`: measure the time per track, other methods and whole libraries.

Writes results.json and results.md. Alternatives are timed in turn, round after round, so that a
machine that slows down affects all of them. Figures are medians; ratios are medians of the ratios
within a round.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

from mediafile import MediaFile
from rich.console import Console

from beetsplug.genreclf.fields import CONFIDENCE, MEDIA_FIELDS, MODEL, PREDICTED_GENRE
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_file import TagFile
from benchmarks.alternatives import bare_decoding, essentia_extractor, whole_track
from benchmarks.library import Library, stream_copies
from benchmarks.reports import RESULTS, save, write_documents
from benchmarks.tag_writing import ROUNDS as WRITING_ROUNDS
from benchmarks.tag_writing import tag_writing
from genremodel import GenreClassifier
from genremodel.audio.digest import audio_digest
from genremodel.audio.windows import read_windows
from tests.sounds import ENCODERS, melody, write

Figures: TypeAlias = dict[str, Any]
Function: TypeAlias = Callable[[Path], object]

SECONDS = 240
ROUNDS = 7
TRACKS = (100, 1000)
ITEMS = 100_000

console = Console()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="genreclf-bench-") as folder:
        root = Path(folder)
        console.print("writing four-minute tracks ...")
        sound = melody(SECONDS)
        files = {kind: write(root / f"a.{kind}", sound) for kind in ENCODERS}
        system = platform.system(), os.cpu_count(), platform.python_version()
        results = {
            "system": "{}, {} processors, Python {}".format(*system),
            "formats": formats(files),
            "writing_rounds": WRITING_ROUNDS,
            "writing": tag_writing(root),
            "methods": methods(files["mp3"]),
            "command": command(root, files["mp3"]),
        }
    save(RESULTS, results)
    write_documents()
    console.print(RESULTS.with_suffix(".md").read_text(encoding="utf-8"), markup=False)


def formats(files: Mapping[str, Path]) -> list[Figures]:
    """Time all steps for one track in one process, and decoding alone."""
    all_steps = whole_path(GenreClassifier(), next(iter(files.values())))
    figures = []
    for kind, path in files.items():
        functions: dict[str, Function] = {
            "total": all_steps,
            "decoding": read_windows,
            "ffmpeg": bare_decoding,
            "digest": audio_digest,
        }
        times = in_turn(functions, path, ROUNDS)
        figures.append(
            {
                "format": kind,
                "total_ms": ms(times["total"]),
                "decoding_ms": ms(times["decoding"]),
                "ratio": ratio(times["total"], times["decoding"]),
                "ffmpeg_ms": ms(times["ffmpeg"]),
                "digest_ms": ms(times["digest"]),
            }
        )
    return figures


def whole_path(classifier: GenreClassifier, path: Path) -> Function:
    """Return a function that takes all steps for one track. path: beside which a journal is."""
    for name, field in MEDIA_FIELDS.items():
        if name not in MediaFile.fields():
            MediaFile.add_field(name, field)
    redo_log = RedoLog(Journal(path.with_name("journal.db")))

    def all_steps(path: Path) -> None:
        audio_digest(path)
        prediction = classifier.predict(path)
        file = TagFile(path)
        confidence = (prediction.confidence or 0) + perf_counter() % 0.01  # always a new value
        file.set(
            {PREDICTED_GENRE: prediction.genre, CONFIDENCE: confidence, MODEL: prediction.model}
        )
        file.save(redo_log, id3v23=False)

    return all_steps


def methods(path: Path) -> list[Figures]:
    """Time other methods of classification."""
    classifier = GenreClassifier()
    functions: dict[str, Function] = {
        "ten windows, pruned network": classifier.predict,
        "librosa, whole track, unpruned network": whole_track(),
    }
    if extractor := essentia_extractor():
        functions["Essentia MusicExtractor"] = extractor
    times = in_turn(functions, path, 2)
    (ours, *_) = times.values()
    return [
        {"method": method, "ms": ms(values), "ratio": ratio(values, ours)}
        for method, values in times.items()
    ]


def command(root: Path, original: Path) -> Figures:
    """Time `beet genreclf` and `beet ls` on libraries of different sizes."""
    sample, tracks = TRACKS
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
    large.fill(ITEMS)
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
            "items": ITEMS,
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


def in_turn(
    functions: Mapping[str, Function],
    path: Path,
    rounds: int,
    clock: Callable[[], float] = perf_counter,
) -> dict[str, list[float]]:
    """Return the seconds of each function in each round, without a first round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds + 1):
        for name, run in functions.items():
            start = clock()
            run(path)
            times[name].append(clock() - start)
    return {name: values[1:] for name, values in times.items()}


def ms(seconds: Sequence[float]) -> int:
    """Return the median in milliseconds."""
    return round(1000 * median(seconds))


def ratio(these: Sequence[float], those: Sequence[float]) -> float:
    """Return the median of the ratios within a round."""
    return round(median(a / b for a, b in zip(these, those, strict=True)), 2)


def difference(these: Sequence[float], those: Sequence[float]) -> int:
    """Return the median of the differences within a round, in milliseconds."""
    return ms([a - b for a, b in zip(these, those, strict=True)])


def speed(tracks: int, seconds: float) -> Figures:
    """Return the time and the rate."""
    return {"seconds": round(seconds, 1), "tracks_per_second": round(tracks / seconds, 1)}


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__).parse_args()
    main()
