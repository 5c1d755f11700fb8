"""`python -m genremodel [--json] [--knn] [--windows N] FILE...`: the genres of audio files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from io import TextIOWrapper

from rich.console import Console
from rich.progress import track
from rich.table import Column, Table
from rich.text import Text

from genremodel.audio.decoding import AudioError
from genremodel.audio.windows import DEFAULT_WINDOWS
from genremodel.batch.pool import Pending, Pool, processors
from genremodel.classifier import GenreClassifier
from genremodel.display import displayable, one_line, portable
from genremodel.models.bundled import AssetError
from genremodel.prediction import Prediction
from genremodel.termination import exiting_on_sigterm
from genremodel.voting import AGGREGATIONS

_AHEAD = 32  # files that are being analysed while one is waited for


def main(arguments: Sequence[str] | None = None) -> int:
    """Classify the files.

    Returns 1 when one of them could not be read or the output not be written, 2 without a model.
    """
    options = _parser().parse_args(arguments)
    if sys.stderr is None:  # closed: what is printed there would go to the standard output
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stdout is None:
        print("the standard output is closed", file=sys.stderr)
        return 1
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # of an encoding without the character
    try:
        with exiting_on_sigterm():
            return _run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as exc:
        return _give_up_output(exc)


def _run(options: argparse.Namespace) -> int:
    try:
        classifier = GenreClassifier(windows=options.windows, vote=options.vote, knn=options.knn)
    except (ImportError, AssetError) as exc:
        print(f"no model can be loaded: {exc}", file=sys.stderr)
        return 2
    if classifier.fallback:
        print(f"using the KNN fallback: {classifier.fallback}", file=sys.stderr)
    pool = classifier.pool(workers=min(options.threads, len(options.files)))
    try:
        results = _classify(classifier, pool, options.files)
        return _print_json(results) if options.json else _print_table(results, len(options.files))
    finally:
        pool.close()
        for problem in pool.problems:
            print(problem, file=sys.stderr)


def _give_up_output(error: OSError) -> int:
    """Report that the output cannot be written, unless its reader has closed it, as `head` does."""
    # What is left of it would be tried again, and fail again, when the interpreter exits.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if not isinstance(error, BrokenPipeError):
        print(f"the output cannot be written: {error.strerror}", file=sys.stderr)
    return 1


def _classify(
    classifier: GenreClassifier, pool: Pool, paths: Sequence[str]
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
    classifier: GenreClassifier, path: str, pending: Pending
) -> tuple[str, Prediction | AudioError]:
    try:
        return path, classifier.decide(pending())
    except AudioError as exc:
        return path, exc
    except Exception as exc:  # whatever it is, the other files are to be heard
        return path, AudioError(f"{type(exc).__name__}: {exc}")


def _print_json(results: Iterator[tuple[str, Prediction | AudioError]]) -> int:
    failed = False
    for path, result in results:
        failed |= isinstance(result, AudioError)
        content = {"error": str(result)} if isinstance(result, AudioError) else asdict(result)
        print(json.dumps({"path": portable(path), **content}), flush=True)
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
    watched = track(
        results, "listening", total,
        console=progress, transient=True, disable=not progress.is_terminal,
    )  # fmt: skip
    try:
        for path, result in watched:
            if isinstance(result, AudioError):
                failures.append((path, result))
                continue
            genre = Text(result.genre) if result.genre else Text(f"({result.reason})", style="dim")
            confidence = "" if result.confidence is None else f"{result.confidence:.3f}"
            votes = ", ".join(f"{genre} {count}" for genre, count in result.votes.items())
            table.add_row(Text(displayable(path)), genre, confidence, Text(votes), result.model)
    finally:  # what is finished is shown in any case
        if table.row_count:
            # Into a pipe or a file, a line for each file, of which nothing is cut.
            Console(width=None if sys.stdout.isatty() else sys.maxsize).print(table)
        for path, error in failures:
            print(f"{displayable(path)}: {one_line(str(error))}", file=sys.stderr)
    return int(bool(failures))


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
    parser.add_argument(
        "--vote", choices=AGGREGATIONS, default=AGGREGATIONS[0], help="default: %(default)s"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
