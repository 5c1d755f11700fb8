"""`beet genreclf-cache`: statistics, pruning and clearing of the analysis cache."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import Beets
from tests.faults import without_modules
from tests.platforms import linux


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


@linux
def test_cache_is_in_the_cache_folder_of_the_user_by_default(classified: Beets) -> None:
    kept = classified.root / "genreclf-cache.db"
    classified.settings["genreclf"]["cache"] = None
    classified.environment["XDG_CACHE_HOME"] = str(classified.root / "caches")
    assert "0 analyses" in classified("genreclf-cache")
    before = kept.read_bytes()
    classified("genreclf", "--force")
    folder = classified.root / "caches" / "beets"
    assert (folder / "genreclf-cache.db").exists()
    assert "2 analyses and 0 failures of 2 files" in classified("genreclf-cache")
    (classified.root / "elsewhere").mkdir()
    classified("mv", "-d", str(classified.root / "elsewhere"))
    assert "2 analyses and 0 failures of 4 files" in classified("genreclf-cache"), "known here too"
    assert kept.read_bytes() == before


@linux
def test_cache_option_is_a_path(classified: Beets) -> None:
    classified.environment["HOME"] = str(classified.root)
    for option in ("genreclf-cache.db", "~/genreclf-cache.db"):
        classified.settings["genreclf"]["cache"] = option
        assert "2 analyses" in classified("genreclf-cache")
    wrong: list[tuple[object, str]] = [(["a.db"], "a filename"), ("", "a file"), (".", "a file")]
    for value, expected in wrong:
        classified.settings["genreclf"]["cache"] = value
        done = classified.run("genreclf", "--force")
        assert done.returncode == 1
        assert f"genreclf.cache: must be {expected}, not " in done.stderr
    classified.settings["genreclf"]["cache"] = "none/a.db"
    done = classified.run("genreclf", "--force")
    assert done.returncode == 0
    assert "none: no such folder" in done.stderr


def test_moved_files_do_not_report_an_invalid_cache(classified: Beets) -> None:
    """It would be once for each file; the commands that need a cache report it."""
    classified.settings["genreclf"]["cache"] = ["a.db"]
    before = classified.files()
    done = classified.run("modify", "--yes", "title:a", "title=renamed")
    assert done.returncode == 0
    assert classified.files() != before
    assert "genreclf" not in done.stderr
