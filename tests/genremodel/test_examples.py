"""The examples in the docstrings of genremodel."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import genremodel

ROOT = Path(genremodel.__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(Path(genremodel.__file__).parent.rglob("*.py"))
    if path.stem != "__main__" and ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0
