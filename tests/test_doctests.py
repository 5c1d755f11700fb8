"""The examples in the docstrings of genremodel."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import genremodel

MODULES = [
    module.name
    for module in pkgutil.walk_packages(genremodel.__path__, "genremodel.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_modules_have_examples() -> None:
    finder = doctest.DocTestFinder()
    tests = [test for name in MODULES for test in finder.find(importlib.import_module(name))]
    assert sum(bool(test.examples) for test in tests) > 30
