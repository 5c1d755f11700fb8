"""`make bench`: what a track costs here, elsewhere, and at the least; writes results.md.

Everything that is compared is timed in turn, round after round, so that a machine that slows down
slows all of it. Medians are shown; ratios are medians of the ratios of a round.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from mediafile import MediaFile
from rich.console import Console

from beetsplug.genreclf.fields import CONFIDENCE, GENRE, MEDIA_FIELDS, MODEL
from beetsplug.genreclf.storage.inplace.notes import Notes
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_file import TagFile
from benchmarks.library import Library, stream_copies
from benchmarks.rivals import bare_decoding, essentia_extractor, whole_track
from benchmarks.tables import section
from benchmarks.writing import writing
from genremodel import GenreClassifier
from genremodel.audio.digest import audio_digest
from genremodel.audio.windows import read_windows
from tests.sounds import ENCODERS, melody, write

RESULTS = Path(__file__).parent / "results.md"
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
        tables = [per_format(files), writing(root), rivals(files["mp3"])]
        tables.append(library(root, files["mp3"]))
    system = f"{platform.system()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    text = "\n\n".join([f"# Measured by `make bench`\n\n{system}.", *tables])
    RESULTS.write_text(text + "\n", encoding="utf-8")
    console.print(text, markup=False)


def per_format(files: Mapping[str, Path]) -> str:
    """Time the whole path of one track in one process, and the floor under it."""
    for name, field in MEDIA_FIELDS.items():
        if name not in MediaFile.fields():
            MediaFile.add_field(name, field)
    classifier = GenreClassifier()
    notes = Notes(Journal(next(iter(files.values())).with_name("journal.db")))

    def whole_path(path: Path) -> None:
        audio_digest(path)
        prediction = classifier.classify(path)
        file = TagFile(path)
        confidence = (prediction.confidence or 0) + perf_counter() % 0.01  # never the same twice
        file.set({GENRE: prediction.genre, CONFIDENCE: confidence, MODEL: prediction.model})
        file.save(notes, id3v23=False)

    rows = []
    for kind, path in files.items():
        ways: dict[str, Callable[[Path], object]] = {
            "path": whole_path,
            "floor": read_windows,
            "bare": bare_decoding,
            "digest": audio_digest,
        }
        times = in_turn(ways, path, ROUNDS)
        ours = [ms(times["path"]), ms(times["floor"]), ratio(times["path"], times["floor"])]
        rows.append([kind, *ours, ms(times["bare"]), ms(times["digest"])])
    head = ["format", "whole path, ms", "floor, ms", "ratio", "FFmpeg alone, ms", "digest, ms"]
    return section("One track, one process", NOTE_PATH, head, rows)


def rivals(path: Path) -> str:
    """Time other ways to the same end."""
    classifier = GenreClassifier()
    ways: dict[str, Callable[[Path], object]] = {
        "ten windows, pruned network": classifier.classify,
        "librosa, all of the track, unpruned network": whole_track(),
    }
    if extractor := essentia_extractor():
        ways["Essentia MusicExtractor"] = extractor
    times = in_turn(ways, path, 2)
    (ours, *_) = times.values()
    rows = [[way, ms(values), ratio(values, ours)] for way, values in times.items()]
    return section("Other ways", NOTE_RIVALS, ["way", "ms a track", "times ours"], rows)


def library(root: Path, original: Path) -> str:
    """Time the real command on libraries of different sizes."""
    stream_copies(original, root / "music", TRACKS[-1])
    lib = Library(root, root / "music")
    lib.configure()
    lib.beet("import", "--quiet", "--noautotag", "--singletons", str(root / "music"))
    rows = []
    for threads in (1, 2):
        lib.configure(threads=threads)
        some = lib.beet("genreclf", "--force", "--no-cache", f"id:1..{TRACKS[0]}")
        rows.append(
            [f"{TRACKS[0]} tracks, {threads} worker(s)", f"{some:.1f} s", speed(TRACKS[0], some)]
        )
    everything, memory = lib.watched("genreclf", "--force")
    rows.append(
        [f"{TRACKS[1]} tracks, 2 workers", f"{everything:.1f} s", speed(TRACKS[1], everything)]
    )
    steady = (TRACKS[1] - TRACKS[0]) / (everything - some)
    rows.append(
        [
            "from the 100th to the 1,000th, 2 workers",
            f"{everything - some:.1f} s",
            f"{steady:.1f} tracks/s",
        ]
    )
    again = lib.beet("genreclf", "--force")
    rows.append(["the same again, from the cache", f"{again:.1f} s", speed(TRACKS[1], again)])
    rows.append(["most memory of all processes, 2 workers", f"{max(memory):.0f} MB", ""])

    lists = in_turn(with_and_without(lib, [], "title:nothing"), root, 15)
    more = 1000 * median(a - b for a, b in zip(lists["with"], lists["without"], strict=True))
    rows.append(
        [
            "`beet ls`, with the plugin and without",
            f"{ms(lists['with'])} and {ms(lists['without'])} ms",
            f"{more:+.0f} ms",
        ]
    )
    large = Library(root / "large", root / "music")
    large.configure()
    large.fill(ITEMS)
    query = f"{GENRE}:jazz", f"{CONFIDENCE}:0.8.."
    lists = in_turn(with_and_without(large, ["types"], *query), root, 3)
    rows.append(
        [
            f"`beet ls {' '.join(query)}`, {ITEMS:,} items, and by beets itself",
            f"{ms(lists['with'])} and {ms(lists['without'])} ms",
            f"ratio {ratio(lists['with'], lists['without'])}",
        ]
    )
    cold = in_turn({"cold": one_shot}, original, 3)["cold"]
    rows.append(["`python -m genremodel` on one file", f"{ms(cold)} ms", ""])
    return section("The real command", NOTE_LIBRARY, ["", "", ""], rows)


def with_and_without(
    library: Library, others: Sequence[str], *query: str
) -> dict[str, Callable[[Path], object]]:
    """Return what lists tracks, with the plugin and with others in its place."""

    def listed(plugins: Sequence[str]) -> Callable[[Path], object]:
        def run(_: Path) -> None:
            library.configure(plugins=plugins)
            library.beet("ls", *query)

        return run

    return {"with": listed(["genreclf"]), "without": listed(others)}


def one_shot(path: Path) -> None:
    command = [sys.executable, "-m", "genremodel", "--json", str(path)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def in_turn(
    ways: Mapping[str, Callable[[Path], object]], path: Path, rounds: int
) -> dict[str, list[float]]:
    """Time each way in each round, once more than is counted."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way, run in ways.items():
            start = perf_counter()
            run(path)
            times[way].append(perf_counter() - start)
    return {way: values[1:] for way, values in times.items()}


def ms(seconds: list[float]) -> str:
    return f"{1000 * median(seconds):,.0f}"


def ratio(these: list[float], those: list[float]) -> str:
    return f"{median(a / b for a, b in zip(these, those, strict=True)):.2f}"


def speed(tracks: int, seconds: float) -> str:
    return f"{tracks / seconds:.1f} tracks/s"


NOTE_PATH = """
Four-minute stereo tracks of synthesised music. Whole path: digest, ten windows, spectrograms,
network, vote, tags. Floor: decoding the ten windows to 16 kHz mono, and nothing else.
""".strip()
NOTE_RIVALS = "The same MP3, in one process that is warm."
NOTE_LIBRARY = """
Four-minute MP3s, differently trimmed stream copies; `beet genreclf` with everything that belongs to
it: database, journal, tags. Memory is what the processes share in parts (PSS).
""".strip()


if __name__ == "__main__":
    main()
