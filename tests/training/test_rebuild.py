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
from tests.sounds import make
from training import card

TOLERANCE = 0.01  # of shares, between machines; on one machine the figures are the same
SPREAD = 0.03  # of one cross-validation about the mean of ten


def training(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_rebuilding_gives_the_same_figures(
    data: Path, bundled: dict[str, Any], tmp_path: Path
) -> None:
    for step in (["backbone"], ["head", "--data", data, "--seeds", 1]):
        done = training(*step, "--assets", tmp_path)
        assert done.returncode == 0, done.stderr
    rebuilt = json.loads((tmp_path / assets.DESCRIPTION).read_text())
    assert rebuilt["genres"] == bundled["genres"]
    assert rebuilt["styles"].keys() == bundled["styles"].keys()
    for name, style in bundled["styles"].items():
        assert rebuilt["styles"][name] == pytest.approx(style, abs=TOLERANCE)
    found, expected = ({**model["cnn"]["valid"]} for model in (rebuilt, bundled))
    intervals = found.pop("intervals")
    for name, interval in expected.pop("intervals").items():
        assert intervals[name] == pytest.approx(interval, abs=2 * TOLERANCE)
    assert found == pytest.approx(expected, abs=TOLERANCE)
    if rebuilt["scikit_learn"] == bundled["scikit_learn"]:  # another one draws other folds
        for protocol in ("songs", "files"):
            for name in ("accuracy", "accuracy_mean", "ece", "coverage", "selective_accuracy"):
                figure = rebuilt["cnn"][protocol][name]
                assert figure == pytest.approx(bundled["cnn"][protocol][name], abs=SPREAD)
        for name in ("abstained", "known_decided"):
            figure = rebuilt["cnn"]["unheard_genres"][name]
            assert figure == pytest.approx(bundled["cnn"]["unheard_genres"][name], abs=TOLERANCE)
    assert rebuilt["cnn"]["nonmusic"] == pytest.approx(bundled["cnn"]["nonmusic"], abs=TOLERANCE)


def test_a_model_of_ones_own_music(tmp_path: Path) -> None:
    for index, genre in enumerate(("jazz", "HipHop")):
        for number in range(8):
            make(tmp_path / "music" / genre / f"{number}.wav", seconds=4, seed=8 * index + number)
    (tmp_path / "music" / "jazz" / "cover.jpg").write_bytes(b"a picture")
    own = ("--data", tmp_path / "music", "--assets", tmp_path / "assets")
    done = training("build", *own, "--seeds", 1)
    assert done.returncode == 0, done.stderr
    assert "cover.jpg: " in done.stderr
    model = json.loads((tmp_path / "assets" / assets.DESCRIPTION).read_text())
    assert model["genres"] == ["hip hop", "jazz"]
    assert model["cnn"]["files"]["tracks"] == 16


def test_the_bars_of_the_model(bundled: dict[str, Any]) -> None:
    songs, files, valid = (bundled["cnn"][name] for name in ("songs", "files", "valid"))
    assert (songs["tracks"], songs["seeds"], valid["tracks"]) == (443, 10, 144)
    assert songs["accuracy"] >= 0.79
    assert files["accuracy"] >= 0.77
    assert valid["accuracy"] >= 0.65


def test_the_bars_of_calibration_and_abstention(bundled: dict[str, Any]) -> None:
    songs, valid = bundled["cnn"]["songs"], bundled["cnn"]["valid"]
    assert songs["ece"] <= 0.05
    assert valid["ece"] <= 0.08
    assert songs["coverage"] >= 0.7
    assert songs["selective_accuracy"] >= 0.9
    unheard = bundled["cnn"]["unheard_genres"]
    assert unheard["known_decided"] >= 0.75
    assert unheard["abstained"] >= 0.6
    assert bundled["cnn"]["nonmusic"]["told"] >= 0.99
    assert bundled["cnn"]["nonmusic"]["mistaken"] <= 0.01


def test_the_documents_tell_the_figures_of_the_bundled_model(bundled: dict[str, Any]) -> None:
    measured = card.MEASURED.read_text(encoding="utf-8")
    assert card.CARD.read_text(encoding="utf-8") == card.render(bundled, measured)
    readme = card.README.read_text(encoding="utf-8")
    assert f"{bundled['cnn']['songs']['accuracy']:.0%} rightly" in " ".join(readme.split())
    assert card.with_figures(readme, bundled) == readme


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
