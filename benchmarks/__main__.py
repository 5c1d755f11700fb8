"""`make bench`: measure the time per track, other methods, and whole and large libraries.

Saves each part in results.json as soon as it is finished, then writes the documents. If a part
fails or exceeds a limit, the others go on, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.cluster import cluster
from benchmarks.collection import collection
from benchmarks.early_stop import early_stop
from benchmarks.one_track import formats, methods
from benchmarks.reports import RESULTS, missed, record, write_documents
from benchmarks.tag_writing import tag_writing
from benchmarks.training_scale import training_scale
from benchmarks.whole_libraries import command
from training.__main__ import main as training

# Each takes an empty folder and returns figures for JSON.
PARTS: Mapping[str, Callable[[Path], Any]] = {
    "formats": formats,
    "writing": tag_writing,
    "methods": methods,
    "command": command,
    "collection": collection,
    "early_stop": early_stop,
    "training_scale": training_scale,
    "cluster": cluster,
}


def main(names: Iterable[str]) -> int:
    """Measure some parts. Returns 1 if one fails or exceeds a limit."""
    failed = []
    for name in names:
        print(f"measuring {name} ...", flush=True)
        start = perf_counter()
        try:
            with tempfile.TemporaryDirectory(prefix="genreclf-bench-") as folder:
                figures = PARTS[name](Path(folder))
        except Exception:  # go on with the other parts
            traceback.print_exc()
            failed.append(name)
            continue
        print(f"{name}: {perf_counter() - start:.0f} s", flush=True)
        failed += [f"{name}: {bar}" for bar in missed(figures)]
        record(RESULTS, name, figures)
    write_documents()
    if training(["documents"]):
        failed.append("documents")
    print(RESULTS.with_suffix(".md").read_text(encoding="utf-8"))
    for problem in failed:
        print(f"failed or missed: {problem}", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART",
                        help=f"measure these parts: {', '.join(PARTS)}")  # fmt: skip
    sys.exit(main(parser.parse_args().only))
