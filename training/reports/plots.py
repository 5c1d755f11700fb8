"""Plots of the comparison and of the model card."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from training.student_systems.baseline import Baseline
from training.student_systems.descriptors import MOMENTS
from training.student_systems.protocols import PROTOCOLS
from training.student_systems.registry import BASELINES
from training.student_systems.results import Result

Results: TypeAlias = Mapping[tuple[str, str], Result]

_DPI = 80
_COLORS = 64
_CONFUSIONS = (
    ("knn-3s-10", "honest"), ("forest", "honest"), ("bi-lstm", "honest"), ("frame-gru", "honest"),
    ("picture-cnn", "honest"), ("playlist-crnn", "honest"),
    ("svm-rbf", "cross-validated"), ("bundled-head", "cross-validated"),
)  # fmt: skip
_BY_SECONDS = ("knn-3s-10", "forest", "bi-lstm", "frame-gru", "picture-cnn", "playlist-crnn")
_COLUMNS = 5  # networks side by side
DESCRIPTORS = 20  # the most important ones


def draw_comparison(results: Results, folder: Path) -> None:
    """Draw the results of every baseline as the PNG files of `docs/comparison.md`."""
    honest = {name: result for (name, protocol), result in results.items() if protocol == "honest"}
    networks = {name: result for name, result in honest.items() if result.history}
    plots = {
        "protocols": _dots(results),
        "curves": _curves(networks),
        "confusion": _confusions({key: results[key] for key in _CONFUSIONS}),
        "genres": _genres(results),
        "seconds": _seconds({name: honest[name] for name in _BY_SECONDS}),
        "importances": _importances(honest["forest"]),
    }
    for name, figure in plots.items():
        content = BytesIO()
        figure.savefig(content, dpi=_DPI)
        # The plots use few colors: quantizing them saves two thirds of the size.
        picture = Image.open(content).convert("RGB").quantize(_COLORS)
        picture.save(folder / f"{name}.png", optimize=True)


def draw_reliability(model: Mapping[str, Any], folder: Path) -> None:
    """Draw the reliability diagram of both bundled models as `reliability.png`."""
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfect calibration")
    for backend, protocol in (("cnn", "songs"), ("cnn", "files"), ("knn", "files")):
        if figures := model[backend].get(protocol):
            confidence, accuracy = zip(*figures["reliability"], strict=True)
            label = f"{model[backend]['id']}, {protocol}"
            axes.plot(confidence, accuracy, marker="o", label=label)
    axes.set(xlabel="mean confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "reliability.png", dpi=110, metadata={"Software": None})


def title(baseline: Baseline) -> str:
    """Return the label of a baseline with the number of its system."""
    return f"{baseline.system}: {baseline.label}" if baseline.system else baseline.label


def _dots(results: Results) -> Figure:
    names = [*BASELINES]
    figure = Figure((9, 0.27 * len(names) + 1.2), layout="constrained")
    axes = figure.subplots()
    for protocol, marker in zip(PROTOCOLS, "os^D", strict=True):
        there = [i for i, name in enumerate(names) if (name, protocol) in results]
        values = [results[names[i], protocol].accuracy for i in there]
        axes.plot(values, there, marker, label=protocol)
    reported = [(BASELINES[name].reported, i) for i, name in enumerate(names)]
    known = [(value, i) for value, i in reported if value is not None]
    axes.plot(*zip(*known, strict=True), "x", color="black", label="reported")
    axes.set_yticks(range(len(names)), [title(BASELINES[name]) for name in names])
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    axes.set_xlabel("accuracy")
    figure.legend(loc="outside upper center", ncols=5)
    return figure


def _curves(results: Mapping[str, Result]) -> Figure:
    blocks = -(-len(results) // _COLUMNS)
    figure = Figure((12.5, 4.2 * blocks), layout="constrained")
    grid = figure.subplots(2 * blocks, _COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    for index, (name, result) in enumerate(results.items()):
        block, column = divmod(index, _COLUMNS)
        for row, kind in enumerate(("loss", "accuracy")):
            axes = grid[2 * block + row, column]
            axes.set_visible(True)
            epochs = range(1, len(result.history) + 1)
            axes.plot(epochs, [epoch[kind] for epoch in result.history], label="fitted")
            axes.plot(epochs, [epoch[f"stop_{kind}"] for epoch in result.history], label="held out")
            axes.grid(alpha=0.3)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            if column == 0:
                axes.set_ylabel(kind)
            if kind == "loss":
                axes.set_title(title(BASELINES[name]), fontsize=9)
            else:
                axes.set_ylim(0, 1)
                axes.set_xlabel("epoch")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _confusions(results: Results) -> Figure:
    columns = 4
    rows = -(-len(results) // columns)
    figure = Figure((14, 3.7 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, ((name, protocol), result) in zip(grid.flat, results.items(), strict=True):
        counts = np.array(result.confusion)
        shares = counts / counts.sum(axis=1, keepdims=True)
        _heat(axes, shares, result.genres, result.genres)
        axes.set_title(f"{title(BASELINES[name])}, {protocol}", fontsize=10)
    figure.supxlabel("predicted genre")
    figure.supylabel("true genre")
    return figure


def _genres(results: Results) -> Figure:
    rows = {
        protocol: [name for name in BASELINES if (name, protocol) in results]
        for protocol in ("honest", "cross-validated")
    }
    heights = [len(names) for names in rows.values()]
    figure = Figure((9, 0.27 * sum(heights) + 2.4), layout="constrained")
    grid = figure.subplots(2, height_ratios=heights)
    for axes, (protocol, names) in zip(grid, rows.items(), strict=True):
        found = [results[name, protocol] for name in names]
        shares = [np.diag(r.confusion) / np.sum(r.confusion, axis=1) for r in found]
        labels = [title(BASELINES[name]) for name in names]
        _heat(axes, np.stack(shares), labels, found[0].genres)
        axes.set_title(protocol, fontsize=10)
    return figure


def _heat(axes: Axes, shares: np.ndarray, rows: list[str], columns: list[str]) -> None:
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(labelsize=8)
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            color = "white" if share > 0.6 else "black"
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=color)


def _seconds(results: Mapping[str, Result]) -> Figure:
    figure = Figure((9, 4), layout="constrained")
    axes = figure.subplots()
    for name, result in results.items():
        seconds = [float(length) for length in result.accuracy_by_seconds]
        axes.plot(
            seconds, list(result.accuracy_by_seconds.values()), "o-", label=title(BASELINES[name])
        )
    axes.set_xscale("log")
    axes.set_xticks(seconds, list(result.accuracy_by_seconds))
    axes.minorticks_off()
    axes.set_xlabel("seconds of audio")
    axes.set_ylabel("accuracy")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    return figure


def _importances(result: Result) -> Figure:
    importances = np.array(result.importances)
    order = np.argsort(importances)[-DESCRIPTORS:]
    figure = Figure((7, 5), layout="constrained")
    axes = figure.subplots()
    axes.barh([MOMENTS[i] for i in order], importances[order])
    axes.set_xlabel("mean decrease in impurity, share of the total")
    return figure
