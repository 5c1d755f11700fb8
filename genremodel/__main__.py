"""`python -m genremodel [--json] [--knn] [--windows N] FILE...`: the genres of audio files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from genremodel.assets import AssetError
from genremodel.audio import AudioError
from genremodel.classifier import Classifier
from genremodel.constants import DEFAULT_WINDOWS
from genremodel.decision import VOTES, Prediction


def main(arguments: Sequence[str] | None = None) -> int:
    """Classify the files. Returns 1 when one of them could not be read, 2 without a model."""
    options = _parser().parse_args(arguments)
    try:
        classifier = Classifier(windows=options.windows, vote=options.vote, knn=options.knn)
    except (ImportError, AssetError) as exc:
        print(f"no model can be loaded: {exc}", file=sys.stderr)
        return 2
    if classifier.fallback:
        print(f"using the KNN fallback: {classifier.fallback}", file=sys.stderr)
    results = _classify(classifier, options.files)
    return _print_json(results) if options.json else _print_table(results, len(options.files))


def _classify(
    classifier: Classifier, paths: Sequence[str]
) -> Iterator[tuple[str, Prediction | AudioError]]:
    for path in paths:
        try:
            yield path, classifier.classify(path)
        except AudioError as exc:
            yield path, exc


def _print_json(results: Iterator[tuple[str, Prediction | AudioError]]) -> int:
    failed = False
    for path, result in results:
        if isinstance(result, AudioError):
            failed = True
            print(json.dumps({"path": path, "error": str(result)}), flush=True)
        else:
            print(json.dumps({"path": path, **asdict(result)}), flush=True)
    return int(failed)


def _print_table(results: Iterator[tuple[str, Prediction | AudioError]], total: int) -> int:
    table = Table("file", "genre", "confidence", "votes", "model")
    failures: list[tuple[str, AudioError]] = []
    progress = Console(stderr=True)
    for path, result in track(results, "listening", total, console=progress, transient=True):
        if isinstance(result, AudioError):
            failures.append((path, result))
            continue
        genre = Text(result.genre) if result.genre else Text(f"({result.reason})", style="dim")
        confidence = "" if result.confidence is None else f"{result.confidence:.3f}"
        votes = ", ".join(f"{genre} {count}" for genre, count in result.votes.items())
        table.add_row(Text(_displayable(path)), genre, confidence, votes, result.model)
    if table.row_count:
        Console().print(table)
    for path, error in failures:
        print(f"{_displayable(path)}: {error}", file=sys.stderr)
    return int(bool(failures))


def _displayable(path: str) -> str:
    return os.fsencode(path).decode(errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m genremodel", description="Name the genre of audio files from their sound."
    )
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each file")
    parser.add_argument("--knn", action="store_true", help="use the KNN fallback, not the CNN")
    parser.add_argument(
        "--windows",
        type=_positive,
        default=DEFAULT_WINDOWS,
        metavar="N",
        help="3-second windows heard of each track (default: %(default)s)",
    )
    parser.add_argument("--vote", choices=VOTES, default=VOTES[0], help="default: %(default)s")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
