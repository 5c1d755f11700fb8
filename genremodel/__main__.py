"""`python -m genremodel FILE...`: predict the genres of audio files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from io import TextIOWrapper
from typing import Any, TypeAlias, get_args

from rich.console import Console
from rich.progress import track
from rich.table import Column, Table
from rich.text import Text

from genremodel import AudioError, GenreClassifier, ModelError, Prediction
from genremodel.analyzer import BackendName
from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.batch.processes import cpu_count
from genremodel.display import displayable, one_line, portable
from genremodel.termination import exiting_on_sigterm
from genremodel.voting import AGGREGATIONS

Results: TypeAlias = Iterable[tuple[str, "Prediction | AudioError"]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Classify the files; return the exit status.

    1 if a file cannot be read or the output cannot be written, 2 if no model can be loaded.
    """
    options = _parser().parse_args(arguments)
    if sys.stderr is None:  # closed: messages would go to the standard output instead
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stdout is None:
        print("the standard output is closed", file=sys.stderr)
        return 1
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # its encoding may lack characters
    try:
        with exiting_on_sigterm():
            return _run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as exc:
        return _report_output_error(exc)


def _run(options: argparse.Namespace) -> int:
    try:
        classifier = GenreClassifier(
            options.model,
            windows=options.windows,
            aggregation=options.aggregation,
            backend=options.backend,
        )
    except (ImportError, ModelError) as exc:
        print(f"no model can be loaded: {exc}", file=sys.stderr)
        return 2
    if classifier.fallback_reason and classifier.backend == "knn":
        print(f"using the KNN fallback: {classifier.fallback_reason}", file=sys.stderr)
    results = classifier.predict_many(
        options.files, workers=min(options.threads, len(options.files))
    )
    try:
        if options.json:
            return _print_json(results, classifier.backend)
        return _print_table(results, len(options.files))
    finally:
        results.close()


def _report_output_error(error: OSError) -> int:
    """Report that the output cannot be written, unless its reader closed it, as `head` does."""
    # Otherwise the interpreter would try, and fail, to write the rest when it exits.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if not isinstance(error, BrokenPipeError):
        print(f"the output cannot be written: {error.strerror}", file=sys.stderr)
    return 1


def _print_json(results: Results, backend: str) -> int:
    failed = False
    for path, result in results:
        failed |= isinstance(result, AudioError)
        content = (
            {"error": str(result)}
            if isinstance(result, AudioError)
            else {**asdict(result), "backend": backend}
        )
        print(json.dumps({"path": portable(path), **content}), flush=True)
    return int(failed)


def _print_table(results: Results, total: int) -> int:
    table = Table(
        Column("file", overflow="fold"),
        "genre",
        "confidence",
        "votes",
        Column("model", no_wrap=True),
    )
    failures: list[tuple[str, AudioError]] = []
    console = Console(stderr=True)
    watched = track(
        results, "analyzing", total,
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    try:
        for path, result in watched:
            if isinstance(result, AudioError):
                failures.append((path, result))
            else:
                table.add_row(*_row(path, result))
    finally:  # an interrupted run shows the files that are finished
        if table.row_count:
            # In a pipe or a file: one line per file, nothing truncated.
            Console(width=None if sys.stdout.isatty() else sys.maxsize).print(table)
        for path, error in failures:
            print(f"{displayable(path)}: {one_line(str(error))}", file=sys.stderr)
    return int(bool(failures))


def _row(path: str, result: Prediction) -> tuple[Text | str, ...]:
    genre = Text(result.genre) if result.genre else Text(f"({result.reason})", style="dim")
    confidence = "" if result.confidence is None else f"{result.confidence:.3f}"
    votes = ", ".join(f"{name} {count}" for name, count in result.votes.items())
    return Text(displayable(path)), genre, confidence, Text(votes), result.model


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m genremodel", description="Predict the genre of audio files."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio file")
    parser.add_argument("--json", action="store_true", help="print one JSON object per file")

    def add(name: str, default: object, text: str, **settings: Any) -> None:
        text = f"{text} (default: %(default)s)"
        parser.add_argument(name, default=default, help=text, **settings)

    add("--model", "bundled", "custom model: NAME.genremodel or NAME.json", metavar="FILE")
    add("--backend", "auto", "CNN (onnx, numpy) or KNN fallback", choices=get_args(BackendName))
    add("--aggregation", AGGREGATIONS[0], "how the windows are combined", choices=AGGREGATIONS)
    number: dict[str, Any] = {"type": _positive, "metavar": "N"}
    add("--windows", DEFAULT_WINDOWS, "3-second windows analyzed per file", **number)
    add("--threads", cpu_count(), "files analyzed in parallel", **number)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
