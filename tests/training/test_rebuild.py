"""`make model` and `python -m training evaluate`, on the data that the bundled model is made of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genremodel import assets
from training import card

TOLERANCE = 0.01  # of shares, between machines; on one machine the figures are the same


def training(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def bundled() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((assets.FOLDER / assets.DESCRIPTION).read_text())
    return content


def test_rebuilding_gives_the_same_figures(
    data: Path, bundled: dict[str, Any], tmp_path: Path
) -> None:
    done = training(
        "build", "--data", data, "--assets", tmp_path / "assets", "--card", tmp_path / "card.md"
    )
    assert done.returncode == 0, done.stderr
    rebuilt = json.loads((tmp_path / "assets" / assets.DESCRIPTION).read_text())
    for backend in ("cnn", "knn"):
        for protocol in ("cross_validation", "valid"):
            for name, value in bundled[backend][protocol].items():
                assert rebuilt[backend][protocol][name] == pytest.approx(value, abs=TOLERANCE), name
    assert rebuilt["genres"] == bundled["genres"]
    assert (tmp_path / "card.md").read_text() == card.render(rebuilt)


def test_the_bars_of_the_first_model(bundled: dict[str, Any]) -> None:
    across_artists, valid = bundled["cnn"]["cross_validation"], bundled["cnn"]["valid"]
    assert across_artists["tracks"] == 443
    assert across_artists["seeds"] == 10
    assert across_artists["accuracy"] >= 0.785
    assert across_artists["accuracy_mean"] >= 0.785
    assert valid["tracks"] == 144
    assert valid["accuracy"] >= 0.66


def test_the_card_is_that_of_the_bundled_model(bundled: dict[str, Any]) -> None:
    assert card.PATH.read_text(encoding="utf-8") == card.render(bundled)


def test_evaluating_stored_activations(data: Path) -> None:
    done = training("evaluate", "--activations", data / "gtzan-taggrams" / "train.npz")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert set(figures) == {
        "tracks", "accuracy", "accuracy_mean", "macro_f1", "ece", "selective_accuracy", "coverage",
    }  # fmt: skip
    assert figures["tracks"] == 443
    assert 0.85 < figures["accuracy"] < 1  # it was fitted on them


def test_evaluating_something_else(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, activations=np.zeros((3, 7)), track=["a"] * 3, genre=["jazz"] * 3)
    done = training("evaluate", "--activations", path)
    assert done.returncode == 1
    assert done.stderr == f"{path}: not 50 activations, a track and a genre in every row\n"
    assert "no such folder" in training("evaluate", "--data", tmp_path / "none").stderr
