"""Writes the generated documents: model card, comparison, README and their plots."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genremodel.models import bundled
from training.reports import plots
from training.reports.comparison import Results, comparison, summarize
from training.reports.early_stop_section import with_early_stop
from training.reports.model_card import model_card
from training.reports.readme import with_accuracy

_ROOT = Path(__file__).parents[2]
BENCHMARKS = _ROOT / "benchmarks" / "results.json"
DOCS = _ROOT / "docs"
README = _ROOT / "README.md"


def write(model: Mapping[str, Any]) -> None:
    """Write all documents from the figures that are kept as JSON. model: `model.json`."""
    benchmarks = read(BENCHMARKS)
    _write(DOCS / "model-card.md", model_card(model, benchmarks))
    plots.draw_reliability(model, DOCS / "model-card")
    results = read(DOCS / "comparison" / "results.json")
    _write(DOCS / "comparison.md", comparison(results, model, benchmarks))
    _write(README, with_accuracy(README.read_text(encoding="utf-8"), model))


def write_comparison(results: Results, excerpted: Sequence[str], docs: Path = DOCS) -> None:
    """Write the comparison, its plots and its figures as JSON. excerpted: see `summarize`."""
    folder = docs / "comparison"
    folder.mkdir(parents=True, exist_ok=True)
    figures = summarize(results, excerpted)
    _write(folder / "results.json", json.dumps(figures, indent=2) + "\n")
    text = comparison(figures, bundled.description(), read(BENCHMARKS))
    _write(docs / "comparison.md", text)
    plots.draw_comparison(results, folder)


def write_early_stop(section: str) -> None:
    """Write the section about `windows: auto`."""
    page = DOCS / "accuracy.md"
    _write(page, with_early_stop(page.read_text(encoding="utf-8"), section))


def read(path: Path) -> dict[str, Any]:
    """Return figures kept as JSON."""
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return figures


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
