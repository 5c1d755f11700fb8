"""Everything but training and KNN, in an environment without the heavy packages."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from genremodel import GenreClassifier
from genremodel.custom import LabeledTrack, ModelStore, train
from genremodel.custom.custom_model import Estimator
from genremodel.custom.dataset import LabeledDataset
from genremodel.custom.estimators import ESTIMATORS
from tests.conftest import Beets, run_module
from tests.sounds import RATE, drums, melody
from tests.tags import our_tags, plain_tags

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements-small.txt"
PYPROJECT = ROOT / "pyproject.toml"
HEAVY = ("scipy", "librosa", "sklearn", "onnxruntime", "numba", "soxr", "joblib", "matplotlib")


def test_requirements_are_those_of_the_package() -> None:
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    required = [line for line in lines if not line.startswith("#")]
    assert len(required) == 7
    declared = PYPROJECT.read_text(encoding="utf-8")
    assert all(f'\n    "{line}",\n' in declared for line in required)


@cache
def small_python() -> Path:
    """Return the interpreter of an environment with the requirements alone, made once.

    A new one replaces older ones for the same version of Python. Raises CalledProcessError where
    the requirements cannot be installed.
    """
    project, _, _ = PYPROJECT.read_text(encoding="utf-8").partition("[dependency-groups]")
    made_from = hashlib.sha256(f"{sys.version}{ROOT}{project}".encode())
    made_from.update(REQUIREMENTS.read_bytes())
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ROOT / ".cache" / "small-installation" / version / made_from.hexdigest()[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as building:
            new = Path(building) / "venv"
            venv.create(new)
            pip = [sys.executable, "-m", "pip", "--python", str(_python(new))]
            install = [*pip, "install", "--no-compile"]  # compiling takes as long as the rest
            for arguments in (["-r", REQUIREMENTS], ["--no-deps", "--editable", ROOT]):
                command = [*install, "--quiet", *map(str, arguments)]
                subprocess.run(command, check=True, capture_output=True, text=True)
            older = [other for other in folder.parent.iterdir() if not other.name.startswith("tmp")]
            new.rename(folder)
        for other in older:
            shutil.rmtree(other)
    return _python(folder)


def _python(folder: Path) -> Path:
    windows = sys.platform == "win32"
    return folder / ("Scripts/python.exe" if windows else "bin/python")


@dataclass
class SmallBeets(Beets):
    """A library that beets opens in the small environment."""

    def run(
        self, *arguments: str, stdin: str = "", prefix: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        self.write_settings()
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("PYTHONPATH", raising=False)  # may lead to the heavy packages
            return run_module(
                "beets",
                *arguments,
                cwd=self.root,
                environment={"BEETSDIR": str(self.root)},
                stdin=stdin,
                prefix=prefix,
                python=str(small_python()),
            )


def filled(beets: Beets) -> Beets:
    """Return a library with the settings of these tests, and the same music to import."""
    beets.settings["genreclf"]["min_confidence"] = 0
    beets.add_collection(range(2), label=False)
    return beets


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> SmallBeets:
    """Where packages cannot be installed, the tests fail in CI, or are skipped."""
    try:
        small_python()
    except subprocess.CalledProcessError as exc:
        message = f"no small environment: {exc.stderr}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    small = SmallBeets(tmp_path_factory.mktemp("small"))
    filled(small).import_music()
    small.keep()
    return small


@pytest.fixture
def small(library: SmallBeets) -> SmallBeets:
    """Return a library that was imported without the heavy packages."""
    library.restore()
    return library


@pytest.mark.usefixtures("library")
def test_heavy_packages_are_missing() -> None:
    found = [f"importlib.util.find_spec({name!r})" for name in HEAVY]
    code = f"import importlib.util; print([{', '.join(found)}])"
    command = [str(small_python()), "-I", "-c", code]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == (
        f"{[None] * len(HEAVY)}\n"
    )


def test_import_sets_the_same_genres_as_the_full_installation(
    small: SmallBeets, tmp_path: Path
) -> None:
    full = filled(Beets(tmp_path))
    full.import_music()
    assert len(full.files()) == len(small.files()) == 4
    for path in full.files():
        other = small.library / path.relative_to(full.library)
        expected, found = our_tags(path), our_tags(other)
        assert found.keys() == expected.keys()
        confidences = [float(tags.pop("genre_confidence", "nan")) for tags in (found, expected)]
        assert confidences == pytest.approx(confidences[::-1], abs=0.002, nan_ok=True)
        assert found == expected
        assert found["genre_model"] == "bundled-cnn-4"
        assert plain_tags(other).get("genre") == plain_tags(path).get("genre")
        assert "predicted_genre" in found


def test_commands(small: SmallBeets) -> None:
    assert "4 analyses and 0 failures of 8 files" in small("genreclf-cache")
    done = small.run("-v", "genreclf", "--force", "--no-cache")
    assert "0 tracks updated, 4 unchanged, 0 abstained, 0 failed" in done.stderr
    assert "genreclf: using the NumPy runtime: No module named 'onnxruntime'\n" in done.stderr
    assert "  backend        numpy\n" in small("genreclf-explain", "title:tune 0")
    (line,) = small("genreclf-explain", "--json", "title:tune 0").splitlines()
    assert json.loads(line)["backend"] == "numpy"
    assert small("genreclf-similar", "-f", "$title", "title:tune 0").splitlines()[0] == "tune 1"
    small("genreclf-undo")
    assert not any(our_tags(path) for path in small.files())
    done = small.run("genreclf", "--review", stdin="a\na\n")
    assert done.returncode == 0
    assert "4 tracks updated, 0 unchanged, 0 abstained, 0 failed, 4 files written" in done.stderr
    assert "NumPy runtime" not in done.stderr, "it is no news there, so only `-v` shows it"
    assert all(small.field("genres"))


@cache
def examples() -> list[LabeledTrack]:
    """Return tracks of two genres to train a model on."""
    classifier = GenreClassifier()
    return [
        LabeledTrack(classifier.analyze((sound(6, seed), RATE)), [genre], f"{genre} {seed}")
        for genre, sound in (("My Tunes", melody), ("My Loops", drums))
        for seed in range(2, 8)
    ]


@pytest.mark.parametrize("estimator", ["linear", "neighbors"])
def test_custom_models_predict(estimator: Estimator, small: SmallBeets) -> None:
    tracks = examples()
    model, _ = train(tracks)
    head = ESTIMATORS[estimator](LabeledDataset.from_tracks(tracks), np.arange(len(tracks)))
    model = replace(model, name="mine", estimator=estimator, head=head, trained=time.time())
    ModelStore(small.root / "library.genre-models").save(model)
    small("genreclf")
    assert small.field("predicted_genre") == ["My Loops"] * 2 + ["My Tunes"] * 2
    assert {model.partition("-")[0] for model in small.field("genre_model")} == {"mine"}


@pytest.mark.parametrize(
    ("backend", "command", "message"),
    [
        ("auto", "genreclf-train", "training needs scikit-learn: pip install scikit-learn"),
        (
            "knn",
            "genreclf",
            "genreclf.backend: knn cannot be loaded: it needs librosa: pip install",
        ),
        ("onnx", "genreclf", "genreclf.backend: onnx cannot be loaded: No module named"),
    ],
)
def test_missing_package_is_named(
    backend: str, command: str, message: str, small: SmallBeets
) -> None:
    small.settings["genreclf"]["backend"] = backend
    done = small.run(command)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert message in line
