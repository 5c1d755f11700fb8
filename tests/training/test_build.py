"""Rebuild and evaluate the bundled model on the data that it was fitted on."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genremodel.models import bundled as assets
from tests.platforms import posix
from tests.sounds import make
from tests.variants import variant
from tests.waiting import wait_until
from training import build, release_checks
from training.__main__ import main

TOLERANCE = 0.01  # of shares, between machines; one machine reproduces the figures
SPREAD = 0.03  # of one cross-validation around the mean of ten


def training(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a step in a process of its own, as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_rebuilt_model_has_the_same_figures(
    request: pytest.FixtureRequest, data: Path, bundled: dict[str, Any], tmp_path: Path
) -> None:
    if not request.config.getoption("--rebuild"):
        pytest.skip("takes minutes: --rebuild runs it")
    one = ["--data", data, "--seeds", 1]
    cache = ["--cache", tmp_path / "cache.db"]
    steps = ["head", *one, *cache], ["knn", *one, *cache], ["detector", "--data", data, *cache]
    for step in (["backbone"], *steps):
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
    if (
        rebuilt["scikit_learn"] == bundled["scikit_learn"]
    ):  # other versions divide the folds differently
        for protocol in ("songs", "files"):
            for name in ("accuracy", "accuracy_mean", "ece", "coverage", "selective_accuracy"):
                figure = rebuilt["cnn"][protocol][name]
                assert figure == pytest.approx(bundled["cnn"][protocol][name], abs=SPREAD)
            for name in ("abstained", "known_coverage"):
                figure = rebuilt["cnn"][protocol]["left_out_genres"][name]
                expected = bundled["cnn"][protocol]["left_out_genres"][name]
                assert figure == pytest.approx(expected, abs=TOLERANCE)
    for kind, shares in bundled["cnn"]["nonmusic"]["kinds"].items():
        assert rebuilt["cnn"]["nonmusic"]["kinds"][kind] == pytest.approx(shares, abs=SPREAD)


@pytest.mark.parametrize("name", [assets.DESCRIPTION, "heads.npz"])
def test_foreign_files_are_not_overwritten(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text('{"mine": true}')
    for step in ("build", "backbone", "head", "knn", "detector", "ablation"):
        assert main([step, "--assets", str(tmp_path)]) == 1
        assert str(tmp_path / name) in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == '{"mine": true}'


def test_model_of_own_music(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genremodel.batch.processes.cpu_count", lambda: 1)  # imports librosa once
    monkeypatch.setattr("training.feature_selection._SEEDS", 1)
    monkeypatch.setattr("training.build._SOUNDS", {"cnn": 4, "knn": 4})
    monkeypatch.setattr("training.nonmusic_detector._SHUFFLES", 1)
    windows = build._check_windows()[:1]  # tests/training/test_musicnn.py checks all
    monkeypatch.setattr("training.build._check_windows", lambda: windows)
    for index, genre in enumerate(("jazz", "HipHop")):
        for number in range(6):
            make(tmp_path / "music" / genre / f"{number}.wav", seconds=3, seed=8 * index + number)
    (tmp_path / "music" / "jazz" / "cover.jpg").write_bytes(b"a picture")
    own = [f"--data={tmp_path / 'music'}", f"--assets={tmp_path / 'assets'}"]
    own.append(f"--cache={tmp_path / 'cache.db'}")
    assert main(["build", *own, "--seeds", "1"]) == 0
    assert capsys.readouterr().err.count("cover.jpg: ") == 1
    model = json.loads((tmp_path / "assets" / assets.DESCRIPTION).read_text())
    assert model["genres"] == ["hip hop", "jazz"]
    assert model["cnn"]["files"]["tracks"] == 12
    for backend in ("cnn", "knn"):
        assert model[backend]["nonmusic"]["music"]["tracks"] == 12
        assert model[backend]["nonmusic"]["environment"] is None


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Return a folder of two genres."""
    for number in range(12):
        make(tmp_path / "music" / ("jazz", "rock")[number % 2] / f"{number}.wav", seed=number)
    return tmp_path / "music"


@variant  # of `test_model_of_own_music`
def test_evaluation_on_own_genres(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [f"--data={music}", f"--cache={tmp_path / 'cache.db'}", "--seeds=1"]
    assert main(["evaluate", *own]) == 0
    for figures in json.loads(capsys.readouterr().out).values():
        assert [*figures["files"]["genres"]] == ["jazz", "rock"]


def test_missing_networks(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["head", "--data", str(music), "--assets", str(tmp_path / "assets")]) == 1
    file = tmp_path / "assets" / assets.MSD_FILE
    assert capsys.readouterr().err == f"[Errno 2] No such file or directory: '{file}'\n"


@posix
def test_interrupted_step(music: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache.db"
    with subprocess.Popen(
        [sys.executable, "-m", "training", "evaluate", "--data", music, "--cache", cache],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        wait_until(cache.exists)
        running.send_signal(signal.SIGINT)
        output, messages = running.communicate(timeout=100)
    assert running.returncode == 130, messages
    assert not output
    assert "Traceback" not in messages
    assert messages.endswith("interrupted; finished analyses are kept for the next run\n")


def test_bundled_models_meet_the_release_thresholds(bundled: dict[str, Any]) -> None:
    songs, valid = (bundled["cnn"][name] for name in ("songs", "valid"))
    assert (songs["tracks"], songs["seeds"], valid["tracks"]) == (443, 10, 144)
    for backend in ("cnn", "knn"):
        release_checks.check(backend, bundled[backend])


@pytest.mark.parametrize(
    ("protocol", "name", "change", "message"),
    [
        ("songs", "accuracy", -0.02, "songs.accuracy is 0.7805 instead of at least 0.79"),
        ("songs", "ece", 0.05, "songs.ece is 0.0849 instead of at most 0.05"),
        ("nonmusic.music", "rejected", np.nan, "nonmusic.music.rejected is nan instead of"),
        ("nonmusic.environment", "lowest", -0.2, "nonmusic.environment.lowest is 0.5812 instead"),
    ],
)
def test_worse_model_is_not_written(
    bundled: dict[str, Any],
    tmp_path: Path,
    protocol: str,
    name: str,
    change: float,
    message: str,
) -> None:
    figures = deepcopy(bundled["cnn"])
    part = figures
    for key in protocol.split("."):
        part = part[key]
    part[name] += change
    with pytest.raises(release_checks.WorseModelError, match=re.escape(message)):
        build.write_backend(tmp_path, "cnn", {}, figures, is_release=True)
    assert not [*tmp_path.iterdir()]
    build.write_backend(tmp_path, "cnn", {}, figures, is_release=False)
    assert {file.name for file in tmp_path.iterdir()} == {"heads.npz", assets.DESCRIPTION}


def test_fewer_cross_validations_have_slack(bundled: dict[str, Any]) -> None:
    figures = deepcopy(bundled["cnn"])
    figures["songs"]["accuracy"] = 0.77
    with pytest.raises(release_checks.WorseModelError):
        release_checks.check("cnn", figures)
    figures["files"]["seeds"] = 1
    release_checks.check("cnn", figures)


def test_evaluate_stored_activations(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = data / "gtzan-taggrams" / "train.npz"
    assert main(["evaluate", "--activations", str(path)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {
        "tracks", "accuracy", "accuracy_mean", "macro_f1", "ece", "selective_accuracy", "coverage",
    }  # fmt: skip
    assert figures["tracks"] == 443
    assert 0.85 < figures["accuracy"] < 1  # the model is fitted on them


def test_evaluate_invalid_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, activations=np.zeros((3, 7)), track=["a"] * 3, genre=["jazz"] * 3)
    assert main(["evaluate", "--activations", str(path)]) == 1
    expected = f"{path}: expected 50 activations, a track and a genre per row\n"
    assert capsys.readouterr().err == expected
    assert main(["evaluate", "--data", str(tmp_path / "none")]) == 1
    assert "no such folder" in capsys.readouterr().err
