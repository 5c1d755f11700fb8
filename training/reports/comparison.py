"""The comparison with the student systems: `templates/comparison.md`, filled with its results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from statistics import mean
from typing import Any, TypeAlias

import numpy as np

from genremodel.evaluation import FOLDS
from genremodel.models import bundled
from genremodel.models.bundled import HEADS_FILE, MSD_FILE, MTT_FILE
from training.reports.markdown import TEMPLATES, number, render, rows
from training.reports.model_card import Figures, mp3_speed
from training.reports.plots import DESCRIPTORS
from training.student_systems.baseline import Baseline
from training.student_systems.network_classifier import INNER_FOLDS
from training.student_systems.protocols import PROTOCOLS
from training.student_systems.registry import BASELINES
from training.student_systems.results import Result, networks

Results: TypeAlias = Mapping[tuple[str, str], Result]

_DIGITS = 3  # as in the document: figures that are rounded twice may change
_COLUMNS = ("leaky", "shuffled tracks", "honest", "honest files")


def summarize(results: Results, excerpted: Sequence[str]) -> dict[str, Any]:
    """Return the figures of the document, to be kept as JSON.

    Parameters
    ----------
    results
        Of every baseline, by its name and the protocol.
    excerpted
        The song of each validation file that the bundled model is scored on.
    """
    honest = [results[name, "honest"] for name in BASELINES if (name, "honest") in results]
    return {
        "tracks": _scored(results, "forest"),
        "activation_tracks": _scored(results, "pretrained"),
        "files": len(excerpted),
        "songs_with_files": len(set(excerpted)),
        "standard_error": {
            "honest": _standard_error([1] * honest[0].scored),
            "honest files": _standard_error(Counter(excerpted).values()),
        },
        "models": {
            name: _model_figures(baseline, results, excerpted)
            for name, baseline in BASELINES.items()
        },
    }


def comparison(results: Figures, model: Figures, benchmarks: Figures) -> str:
    """Return the document.

    Parameters
    ----------
    results
        From `summarize`.
    model
        Contents of `model.json`.
    benchmarks
        Contents of `benchmarks/results.json`.
    """
    models = results["models"]
    accuracy = {name: figures["accuracy"] for name, figures in models.items()}
    trained = {name: of for name, of in accuracy.items() if "honest" in of}
    drop = max(trained, key=lambda name: trained[name]["leaky"] - trained[name]["honest"])
    descriptors = {
        name: of for name, of in accuracy.items() if BASELINES[name].view == "descriptors"
    }
    fits = [network for b in BASELINES.values() for network in networks(b.make(None))]
    return render(
        TEMPLATES / "comparison.md",
        results=results,
        tracks=results["tracks"],
        activation_tracks=results["activation_tracks"],
        standard_error=results["standard_error"],
        valid=model["cnn"]["valid"],
        songs=model["cnn"]["songs"],
        trained=len(trained),
        leaky=mean(of["leaky"] for of in trained.values()),
        shuffled=mean(of["shuffled tracks"] for of in trained.values()),
        honest=mean(of["honest"] for of in trained.values()),
        drop={"label": BASELINES[drop].label, **trained[drop]},
        best_honest=_best(trained, "honest"),
        best_files=_best(trained, "honest files"),
        best_cross_validated=_best(descriptors, "cross-validated"),
        table=rows([*map(_row, BASELINES.values(), models.values()), _bundled(model, benchmarks)]),
        folds=FOLDS,
        inner_folds=INNER_FOLDS,
        patience=_range(network.patience for network in fits),
        epochs=_range(network.epochs for network in fits),
        descriptors=DESCRIPTORS,
    )


def _scored(results: Results, name: str) -> dict[str, int]:
    return {
        protocol: results[name, protocol].scored
        for protocol in PROTOCOLS
        if (name, protocol) in results
    }


def _model_figures(
    baseline: Baseline, results: Results, excerpted: Sequence[str]
) -> dict[str, Any]:
    of = {
        protocol: results[baseline.name, protocol]
        for protocol in PROTOCOLS
        if (baseline.name, protocol) in results
    }
    honest = of.get("honest")
    fitted = honest or of["cross-validated"]
    accuracy = {protocol: round(result.accuracy, _DIGITS) for protocol, result in of.items()}
    if honest:
        accuracy["honest files"] = round(honest.accuracy_on(excerpted), _DIGITS)
    pretrained = network_size(MSD_FILE) if baseline.view == "activations" else 0
    return {
        "accuracy": accuracy,
        "macro_f1": round(honest.macro_f1, _DIGITS) if honest else None,
        "parameters": fitted.parameters + pretrained,
        "seconds": round(fitted.seconds, 1),
        "milliseconds": round(fitted.milliseconds, 1),
    }


def network_size(name: str) -> int:
    """Return the number of values stored in the ONNX file of a bundled network."""
    from onnx import load_model_from_string

    graph = load_model_from_string(bundled.read(name)).graph
    return sum(prod(initializer.dims) for initializer in graph.initializer)


def _standard_error(weights: Iterable[int]) -> float:
    """Return the largest standard error of an accuracy over songs with these weights."""
    counts = np.fromiter(weights, float)
    return round(float(0.5 * np.linalg.norm(counts) / counts.sum()), _DIGITS)


def _best(accuracy: Mapping[str, Figures], protocol: str) -> str:
    """Return the highest accuracy and the models that reach it."""
    most = max(of[protocol] for of in accuracy.values())
    labels = [f"*{BASELINES[name].label}*" for name, of in accuracy.items() if of[protocol] == most]
    return f"{most:.3f} ({'; '.join(labels)})"


def _range(values: Iterable[int]) -> str:
    found = sorted(values)
    return f"{found[0]} to {found[-1]}"


def _row(baseline: Baseline, figures: Figures) -> Sequence[object]:
    accuracy = figures["accuracy"]
    return (
        baseline.system or "-",
        baseline.label,
        number(baseline.reported),
        *(number(accuracy.get(column)) for column in _COLUMNS),
        number(figures["macro_f1"]),
        number(accuracy.get("cross-validated")),
        f"{figures['parameters']:,}",
        f"{figures['seconds']:.1f}",
        f"{figures['milliseconds']:.1f}",
    )


def _bundled(model: Figures, benchmarks: Figures) -> Sequence[object]:
    cnn = model["cnn"]
    heads = sum(array.size for array in bundled.arrays(HEADS_FILE).values())
    return (
        *("-", f"**bundled model** `{cnn['id']}`", "-", "-", "-", "-"),
        f"**{cnn['valid']['accuracy']:.3f}**",
        "-",
        f"**{cnn['songs']['accuracy']:.3f}**",
        f"{heads + network_size(MSD_FILE) + network_size(MTT_FILE):,}",
        "-",
        mp3_speed(benchmarks)["total_ms"],
    )
