"""The generated documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import reports
from benchmarks.large_collections import large_collections_page
from tests.variants import variant
from training.evaluation.stopping_early import Counts
from training.reports import documents
from training.reports.comparison import comparison
from training.reports.early_stop_section import early_stop_section, with_early_stop
from training.reports.markdown import replace_section, rows
from training.reports.model_card import model_card
from training.reports.readme import with_accuracy
from training.student_systems.protocols import PROTOCOLS, protocols_of
from training.student_systems.registry import BASELINES
from training.student_systems.results import Result


@pytest.fixture(scope="module")
def benchmarks() -> dict[str, Any]:
    return documents.read(documents.BENCHMARKS)


def test_documents_are_up_to_date(bundled: dict[str, Any], benchmarks: dict[str, Any]) -> None:
    card = (documents.DOCS / "model-card.md").read_text(encoding="utf-8")
    assert card == model_card(bundled, benchmarks)
    results = documents.read(documents.DOCS / "comparison" / "results.json")
    page = (documents.DOCS / "comparison.md").read_text(encoding="utf-8")
    assert page == comparison(results, bundled, benchmarks)
    readme = documents.README.read_text(encoding="utf-8")
    assert f"| {bundled['cnn']['songs']['accuracy']:.0%} |" in readme
    assert with_accuracy(readme, bundled) == readme


def test_benchmark_pages_are_up_to_date() -> None:
    results = reports.load(reports.RESULTS)
    page = reports.RESULTS.with_suffix(".md").read_text(encoding="utf-8")
    assert page == reports.results_page(results)
    figures = reports.load(reports.CUSTOM_GENRES)
    page = reports.LARGE_COLLECTIONS.read_text(encoding="utf-8")
    assert page == large_collections_page(results, figures)
    page = (documents.DOCS / "custom-genres.md").read_text(encoding="utf-8")
    assert page == reports.custom_genres_page(figures)
    readme = documents.README.read_text(encoding="utf-8")
    assert reports.with_training_report(readme, figures) == readme
    assert reports.with_speed(readme, results) == readme


def test_parts_keep_the_systems_that_they_were_measured_on(tmp_path: Path) -> None:
    results = reports.load(reports.RESULTS)
    systems = dict.fromkeys(results["systems"], "Plan 9")
    file = tmp_path / "results.json"
    reports.save(file, {**results, "systems": systems})
    reports.record(file, "methods", [])
    after = reports.load(file)
    (own,) = {*after["systems"].values()} - {"Plan 9"}
    assert after == {**results, "methods": [], "systems": {**systems, "methods": own}}
    page = " ".join(reports.results_page(after).split())
    assert "Plan 9: formats, writing, command, " in page
    assert f"; {own}: methods." in page


def test_costs_of_collections_follow_from_those_of_a_track() -> None:
    results, figures = reports.load(reports.RESULTS), reports.load(reports.CUSTOM_GENRES)
    costs = {
        "analyze_ms": 92, "store_ms": 8, "again_ms": 7.2, "unchanged": {"ms": 0.5, "kb": 4},
        "file_bytes": 4e6, "bytes": {"cache": 9e3, "journal": 1e3, "database": 750, "tags": 0},
        "read": [], "similar": {"tracks": 1000, "seconds": 1, "mb": 100},
    }  # fmt: skip
    page = large_collections_page({**results, "collection": costs}, figures)
    # 100 ms of processor time; 32 cores wait for the process that stores a track in 8 ms
    assert "| 500,000 | 6.9 h | 1.7 h | 67 min | 60 min | 4.2 min |" in page
    assert "| 500,000 | 2.0 TB | 4.5 GB | 500 MB | 375 MB | 2.0 GB |" in page
    text = " ".join(page.split())
    assert "at most 125 tracks per second" in text
    assert "carries 31 such MP3s per second, as many as 3 cores" in text


def test_missed_bars_are_named() -> None:
    bars = [
        {"name": "time", "measured": 1.2, "bar": 1.15},
        {"name": "memory", "measured": 0.5, "bar": 0.7},
        {"name": "bytes", "measured": 500, "bar": None},
    ]
    assert reports.missed({"bars": bars}) == ["time: 1.2, at most 1.15"]
    assert reports.missed([]) == []


def test_section_about_stopping_early() -> None:
    figures = {
        "seeds": 10,
        "min_same": 0.98,
        "chosen": 8,
        "held_out_same": 0.981,
        "artists": [
            {"tracks": name, "n": n, "figures": [0.5, 0.99, 0.8, 0.03, 0.7, 0.81, 0.04, 0.71]}
            for name, n in (("songs", 443), ("files", 195))
        ],
        "assembled": Counts(1200, 300, 291),
        "recordings": Counts(470),
        "minutes": Counts(90),
        "similar": {
            "tracks": 195,
            "cosine": 0.99,
            "nearest_cosine": 0.9,
            "same_nearest": 0.7,
            "same": 0.8,
            "genre_by_every": 0.6,
            "genre_by_first": 0.5,
        },
    }
    section = early_stop_section(figures)
    row = "| songs | 443 | 0.500 | 0.990 | 0.800 | 0.810 | 0.030 | 0.040 | 0.700 | 0.710 |"
    assert row in section
    assert "| assembled tracks | 1,200 | 0.250 | 0.970 |" in section
    assert "| non-music: recordings | 470 | 0.000 | - |" in section
    page = with_early_stop((documents.DOCS / "accuracy.md").read_text(encoding="utf-8"), section)
    assert section in page
    assert with_early_stop(page, section) == page


def test_model_card_shows_confidence_intervals(
    bundled: dict[str, Any], benchmarks: dict[str, Any]
) -> None:
    metrics = [bundled["cnn"][name] for name in ("songs", "files", "valid")]
    metrics += [bundled["knn"][name] for name in ("files", "valid")]
    for figures in metrics:
        low, high = figures["intervals"]["accuracy"]
        assert low < figures["accuracy"] < high
        assert all(low < high for low, high in figures["intervals"].values())
    accuracy, (low, high) = metrics[0]["accuracy"], metrics[0]["intervals"]["accuracy"]
    assert f"| {accuracy:.3f} ({low:.2f}-{high:.2f}) |" in model_card(bundled, benchmarks)


def test_model_card_lists_licenses(bundled: dict[str, Any], benchmarks: dict[str, Any]) -> None:
    text = model_card(bundled, benchmarks)
    for name, license_text in (
        ("GTZAN", "none"),
        ("Emotify", "none is stated"),
        ("Million Song Dataset", "the recordings are copyrighted"),
        ("MagnaTagATune", "CC BY-NC-SA"),
    ):
        (row,) = (line for line in text.splitlines() if line.startswith(f"| {name}"))
        assert f"| {license_text}" in row
    assert "(ISC license" in text


def test_model_card_shows_measured_speed(bundled: dict[str, Any]) -> None:
    mp3 = {"format": "mp3", "total_ms": 70, "decoding_ms": 35, "ratio": 2.0}
    benchmarks = {"systems": {"formats": "Plan 9, 3 processors"}, "formats": [mp3]}
    text = " ".join(model_card(bundled, benchmarks).split())
    assert "The CNN takes 70 ms" in text
    assert "alone takes 35 ms, a ratio of 2.00" in text
    assert "(Plan 9, 3 processors)" in text


@variant  # of `test_documents_are_up_to_date`, with pictures
def test_comparison_is_rendered_from_results(tmp_path: Path) -> None:
    accuracy = dict(zip(PROTOCOLS, (0.91046, 0.8222, 0.50254, 0.6444), strict=True))  # rounded once
    genres = ["jazz", "metal"]
    epochs = [{"loss": 1.0, "stop_loss": 1.0, "accuracy": 0.5, "stop_accuracy": 0.5}] * 3
    results = {
        (name, protocol): Result(
            accuracy[protocol], 0.1234, 10, genres, [[4, 1], [2, 3]], 1234567, 2.0, 3.0,
            {"a": True, "b": False}, epochs, [0.1] * 64, {"0.5": 0.1, "30": 0.2},
        )
        for name, baseline in BASELINES.items()
        for protocol in protocols_of(baseline)
    }  # fmt: skip
    documents.write_comparison(results, ["a", "a", "b"], tmp_path)
    text = (tmp_path / "comparison.md").read_text(encoding="utf-8")
    row = "0.910 | 0.822 | 0.503 | 0.667 | 0.123"
    assert f"| random forest | 0.871 | {row} | 0.644 | 1,234,567 |" in text
    assert f"| CNN on spectrogram images | 0.533 | {row} | - | 1,234,567 |" in text
    assert "| bundled head | - | 0.910 | 0.822 | - | - | - | 0.644 | 1,503,869 |" in text
    assert "fallen for 4 to 10 epochs, after 15 to 60 at most" in " ".join(text.split())
    pictures = list(tmp_path.glob("comparison/*.png"))
    assert len(pictures) == 6
    for picture in pictures:
        assert f"(comparison/{picture.name})" in text


def test_sections_are_replaced() -> None:
    readme = "a\n<!-- x -->\nold\n<!-- end -->\nb\n"
    replaced = replace_section(readme, "<!-- x -->", "<!-- end -->", "new\n")
    assert replaced == readme.replace("old", "new")
    with pytest.raises(ValueError, match="no section"):
        replace_section(readme, "<!-- y -->", "<!-- end -->", "new\n")


def test_empty_tables_are_marked() -> None:
    assert rows([]) == "| not measured |"
    assert rows([["a", 1], ["b", 2]]) == "| a | 1 |\n| b | 2 |"
