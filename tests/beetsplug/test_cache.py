"""`beet genreclf-cache`: statistics, pruning and clearing of the analysis cache."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import Beets
from tests.faults import without_modules


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Beets:
    beets = Beets(tmp_path_factory.mktemp("cache"))
    for seed, name in enumerate(("a", "b")):
        beets.add(f"{name}.flac", seed=seed)
    beets.import_music()
    shutil.rmtree(beets.music)
    beets("genreclf-cache", "--prune")
    beets.keep()
    return beets


@pytest.fixture
def classified(library: Beets) -> Beets:
    """Return a library of two tracks, whose analyses are cached."""
    library.restore()
    return library


def test_statistics(classified: Beets) -> None:
    first, second, third = classified("genreclf-cache").splitlines()
    assert first.startswith(f"{classified.root / 'genreclf-cache.db'}: ")
    assert second == "2 analyses and 0 failures of 2 files"
    assert third.endswith("%)")


def test_prune_removes_entries_of_deleted_files(classified: Beets) -> None:
    classified.files()[0].unlink()
    assert classified("genreclf-cache", "--prune").splitlines()[0] == "removed 1 analysis"
    assert "1 analysis and 0 failures of 1 file\n" in classified("genreclf-cache")


@pytest.mark.parametrize("backend", ["auto", "knn"])
def test_prune_keeps_current_analyses(classified: Beets, backend: str) -> None:
    classified.settings["genreclf"]["backend"] = backend
    assert classified("genreclf-cache", "--prune").splitlines()[0] == "removed 0 analyses"


def test_clear_needs_no_model(classified: Beets) -> None:
    classified.environment |= without_modules(classified.root / "shadow", "onnxruntime", "librosa")
    done = classified.run("genreclf-cache", "--clear")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 analyses and 0 failures of 0 files\n" in done.stdout
