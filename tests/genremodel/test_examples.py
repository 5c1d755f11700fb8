"""The examples in the docstrings of genremodel."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import genremodel
import genremodel.custom
from genremodel.custom import LabeledTrack
from tests.labeled_tracks import labeled_tracks

ROOT = Path(genremodel.__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(Path(genremodel.__file__).parent.rglob("*.py"))
    if path.stem != "__main__" and ">>> " in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="module")
def tracks() -> list[LabeledTrack]:
    return labeled_tracks(12)


@pytest.mark.parametrize("name", MODULES)
def test_examples(
    name: str, tracks: list[LabeledTrack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = doctest.testmod(import_module(name), extraglobs={"tracks": tracks})
    assert done.failed == 0


@pytest.mark.parametrize("package", [genremodel, genremodel.custom])
def test_every_public_name_has_an_example(package: ModuleType) -> None:
    public = {name: getattr(package, name) for name in package.__all__}
    callables = {name: value for name, value in public.items() if callable(value)}
    assert [name for name, value in callables.items() if ">>> " not in value.__doc__] == []
