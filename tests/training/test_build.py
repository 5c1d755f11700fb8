"""`make model` and `python -m training evaluate`, on the data that the bundled model is made of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genremodel.models import bundled as assets
from tests.sounds import make
from training.__main__ import main

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
    found, stored = (model["cnn"]["valid"] for model in (rebuilt, bundled))
    for name, interval in stored["intervals"].items():
        assert found[name] == pytest.approx(stored[name], abs=TOLERANCE)
        assert found["intervals"][name] == pytest.approx(interval, abs=2 * TOLERANCE)
    if rebuilt["scikit_learn"] == bundled["scikit_learn"]:  # another one draws other folds
        for protocol in ("songs", "files"):
            for name in ("accuracy", "accuracy_mean", "ece", "coverage", "selective_accuracy"):
                figure = rebuilt["cnn"][protocol][name]
                assert figure == pytest.approx(bundled["cnn"][protocol][name], abs=SPREAD)
            for name in ("abstained", "known_decided"):
                figure = rebuilt["cnn"][protocol]["unheard_genres"][name]
                expected = bundled["cnn"][protocol]["unheard_genres"][name]
                assert figure == pytest.approx(expected, abs=TOLERANCE)
        check_bars(rebuilt, slack=TOLERANCE)  # of one cross-validation, not the mean of ten
    for kind, shares in bundled["cnn"]["nonmusic"]["kinds"].items():
        assert rebuilt["cnn"]["nonmusic"]["kinds"][kind] == pytest.approx(shares, abs=TOLERANCE)


@pytest.mark.parametrize("name", [assets.DESCRIPTION, "heads.npz"])
def test_files_of_something_else_are_left_alone(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text('{"mine": true}')
    for step in ("build", "backbone", "head", "knn", "ablation"):
        assert main([step, "--assets", str(tmp_path)]) == 1
        assert str(tmp_path / name) in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == '{"mine": true}'


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
    check_bars(bundled)
    songs, valid = (bundled["cnn"][name] for name in ("songs", "valid"))
    assert (songs["tracks"], songs["seeds"], valid["tracks"]) == (443, 10, 144)
    electronic, classical = (
        bundled["cnn"]["files"]["genres"][name]["recall"] for name in ("electronic", "classical")
    )
    assert electronic >= 0.88
    assert classical >= 0.88


def test_the_bars_of_the_fallback(bundled: dict[str, Any]) -> None:
    files, valid = (bundled["knn"][name] for name in ("files", "valid"))
    assert files["accuracy"] >= 0.5
    assert files["ece"] <= 0.05
    assert valid["ece"] <= 0.15  # music that it knows less of than it believes
    assert bundled["knn"]["nonmusic"]["mistaken"] <= 0.02


def check_bars(model: dict[str, Any], slack: float = 0.0) -> None:
    songs, files, valid = (model["cnn"][name] for name in ("songs", "files", "valid"))
    assert songs["accuracy"] >= 0.79 - slack
    assert files["accuracy"] >= 0.77 - slack
    assert valid["accuracy"] >= 0.65 - slack
    assert songs["ece"] <= 0.05 + slack
    assert valid["ece"] <= 0.08 + slack
    assert songs["coverage"] >= 0.7 - slack
    assert songs["selective_accuracy"] >= 0.9 - slack
    assert songs["unheard_genres"]["known_decided"] >= 0.75 - slack
    assert songs["unheard_genres"]["abstained"] >= 0.6 - slack
    assert files["unheard_genres"]["abstained"] >= 0.6 - slack
    for kind in model["cnn"]["nonmusic"]["kinds"].values():
        assert kind["abstained"] >= 0.9 - slack
    assert model["cnn"]["nonmusic"]["mistaken"] <= 0.01 + slack


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
    assert done.stderr == f"{path}: expected 50 activations, a track and a genre per row\n"
    assert "no such folder" in training("evaluate", "--data", tmp_path / "none").stderr
