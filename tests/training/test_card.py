"""The model card."""

from __future__ import annotations

from typing import Any

from training.reports import model_card as card


def test_every_figure_of_the_bundled_models_has_its_interval(bundled: dict[str, Any]) -> None:
    rows = [bundled["cnn"][name] for name in ("songs", "files", "valid")]
    rows += [bundled["knn"][name] for name in ("files", "valid")]
    for figures in rows:
        low, high = figures["intervals"]["accuracy"]
        assert low < figures["accuracy"] < high
        assert all(low < high for low, high in figures["intervals"].values())
    text = card.render(bundled, "")
    accuracy, (low, high) = rows[0]["accuracy"], rows[0]["intervals"]["accuracy"]
    assert f"| {accuracy:.3f} ({low:.2f}-{high:.2f}) |" in text


def test_the_card_tells_the_licence_of_all_data(bundled: dict[str, Any]) -> None:
    text = card.render(bundled, "")
    for name, licence in (
        ("GTZAN", "none"),
        ("Emotify", "none is stated"),
        ("Million Song Dataset", "the recordings are copyrighted"),
        ("MagnaTagATune", "CC BY-NC-SA"),
    ):
        (row,) = (line for line in text.splitlines() if line.startswith(f"| {name}"))
        assert f"| {licence}" in row
    assert "(ISC licence" in text


def test_the_speed_is_what_was_measured(bundled: dict[str, Any]) -> None:
    measured = (
        "# Measured by `make bench`\n\nPlan 9, 3 processors.\n\n| mp3 | 70 | 35 | 2.00 | 9 |\n"
    )
    text = " ".join(card.render(bundled, measured).split())
    assert "costs the CNN 70 ms" in text
    assert "costs 35 ms: a ratio of 2.00" in text
    assert "(Plan 9, 3 processors)" in text
    assert "`make bench` measures it." in card.render(bundled, "nothing yet")
