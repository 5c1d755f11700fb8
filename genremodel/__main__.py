"""`python -m genremodel [--json] [--knn] [--windows N] FILE...`: the genres of audio files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.progress import track
from rich.table import Column, Table
from rich.text import Text

from genremodel.assets import AssetError
from genremodel.audio import AudioError
from genremodel.classifier import Classifier
from genremodel.constants import DEFAULT_WINDOWS
from genremodel.decision import VOTES, Prediction
from genremodel.pool import Pending, Pool, processors

_AHEAD = 32  # files that are being analysed while one is waited for


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
    pool = classifier.pool(workers=min(options.threads, len(options.files)))
    try:
        results = _classify(classifier, pool, options.files)
        return _print_json(results) if options.json else _print_table(results, len(options.files))
    except BrokenPipeError:  # of whoever has read enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        pool.close()


def _classify(
    classifier: Classifier, pool: Pool, paths: Sequence[str]
) -> Iterator[tuple[str, Prediction | AudioError]]:
    """Classify files in their order, some ahead of the one whose turn it is."""
    ahead = deque[tuple[str, Pending]]()
    for path in paths:
        ahead.append((path, pool.submit(path)))
        if len(ahead) > _AHEAD:
            yield _verdict(classifier, *ahead.popleft())
    while ahead:
        yield _verdict(classifier, *ahead.popleft())


def _verdict(
    classifier: Classifier, path: str, pending: Pending
) -> tuple[str, Prediction | AudioError]:
    try:
        return path, classifier.decide(pending())
    except AudioError as exc:
        return path, exc
    except Exception as exc:  # whatever it is, the other files are to be heard
        return path, AudioError(f"{type(exc).__name__}: {exc}")


def _print_json(results: Iterator[tuple[str, Prediction | AudioError]]) -> int:
    failed = False
    try:
        for path, result in results:
            if isinstance(result, AudioError):
                failed = True
                print(json.dumps({"path": path, "error": str(result)}), flush=True)
            else:
                print(json.dumps({"path": path, **asdict(result)}), flush=True)
    except KeyboardInterrupt:
        return 130
    return int(failed)


def _print_table(results: Iterator[tuple[str, Prediction | AudioError]], total: int) -> int:
    table = Table(
        Column("file", overflow="fold"),
        "genre",
        "confidence",
        "votes",
        Column("model", no_wrap=True),
    )
    failures: list[tuple[str, AudioError]] = []
    progress = Console(stderr=True)
    try:
        for path, result in track(results, "listening", total, console=progress, transient=True):
            if isinstance(result, AudioError):
                failures.append((path, result))
                continue
            genre = Text(result.genre) if result.genre else Text(f"({result.reason})", style="dim")
            confidence = "" if result.confidence is None else f"{result.confidence:.3f}"
            votes = ", ".join(f"{genre} {count}" for genre, count in result.votes.items())
            table.add_row(Text(_displayable(path)), genre, confidence, votes, result.model)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:  # what is finished is shown in any case
        if table.row_count:
            # Into a pipe or a file, a line for each file, of which nothing is cut.
            Console(width=None if sys.stdout.isatty() else sys.maxsize).print(table)
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
    parser.add_argument(
        "--threads",
        type=_positive,
        default=processors(),
        metavar="N",
        help="files analysed at once (default: %(default)s)",
    )
    parser.add_argument("--vote", choices=VOTES, default=VOTES[0], help="default: %(default)s")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
