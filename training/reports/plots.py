"""The pictures of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

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
_COLOURS = 64
_CONFUSIONS = (
    ("knn-3s-10", "honest"), ("forest", "honest"), ("bi-lstm", "honest"), ("frame-gru", "honest"),
    ("picture-cnn", "honest"), ("playlist-crnn", "honest"),
    ("svm-rbf", "cross-validated"), ("bundled-head", "cross-validated"),
)  # fmt: skip
_HEARD = ("knn-3s-10", "forest", "bi-lstm", "frame-gru", "picture-cnn", "playlist-crnn")
_COLUMNS = 5  # networks side by side
_IMPORTANT = 20  # descriptors


def draw(results: Results, folder: Path) -> list[tuple[str, str]]:
    """Draw the results of every baseline. Returns (file name, caption) of each picture."""
    honest = {name: result for (name, protocol), result in results.items() if protocol == "honest"}
    networks = {name: result for name, result in honest.items() if result.history}
    folder.mkdir(parents=True, exist_ok=True)
    pictures = (
        (
            "protocols.png",
            "Accuracy of each model on the protocols; honest and cross-validated are different "
            "songs, so compare like marks",
            _dots(results),
        ),
        (
            "curves.png",
            "Loss and accuracy by epoch, honest protocol: rows fitted, and those held back for "
            "early stopping",
            _curves(networks),
        ),
        (
            "confusion.png",
            "Confusion: share of each genre's songs, of the validation split (honest) or the "
            "training split (cross-validated)",
            _confusions({key: results[key] for key in _CONFUSIONS}),
        ),
        (
            "genres.png",
            "Accuracy by genre, in percent: above on the validation split, below on the training "
            "split, which are different songs",
            _genres(results),
        ),
        (
            "seconds.png",
            "Accuracy against seconds heard, from the middle of the track, honest protocol",
            _seconds({name: honest[name] for name in _HEARD}),
        ),
        (
            "importances.png",
            f"The {_IMPORTANT} descriptors that matter most to the random forest",
            _importances(honest["forest"]),
        ),
    )
    for name, _, figure in pictures:
        picture = BytesIO()
        figure.savefig(picture, dpi=_DPI)
        # A third of the size: few colours are in use.
        Image.open(picture).convert("RGB").quantize(_COLOURS).save(folder / name, optimize=True)
    return [(name, caption) for name, caption, _ in pictures]


def title(baseline: Baseline) -> str:
    """Return a baseline's name with its system's number."""
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
            axes.plot(
                epochs, [epoch[f"stop_{kind}"] for epoch in result.history], label="held back"
            )
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
    figure.supxlabel("genre named")
    figure.supylabel("right genre")
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
            colour = "white" if share > 0.6 else "black"
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)


def _seconds(results: Mapping[str, Result]) -> Figure:
    figure = Figure((9, 4), layout="constrained")
    axes = figure.subplots()
    for name, result in results.items():
        seconds = [float(length) for length in result.heard]
        axes.plot(seconds, list(result.heard.values()), "o-", label=title(BASELINES[name]))
    axes.set_xscale("log")
    axes.set_xticks(seconds, list(result.heard))
    axes.minorticks_off()
    axes.set_xlabel("seconds heard")
    axes.set_ylabel("accuracy")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    return figure


def _importances(result: Result) -> Figure:
    importances = np.array(result.importances)
    order = np.argsort(importances)[-_IMPORTANT:]
    figure = Figure((7, 5), layout="constrained")
    axes = figure.subplots()
    axes.barh([MOMENTS[i] for i in order], importances[order])
    axes.set_xlabel("mean decrease in impurity, as a share of all")
    return figure
