"""The import graph: no cycles, and dependencies in one direction."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("genremodel", "beetsplug/genreclf", "training")
FOLDERS = {  # of genremodel, and the folders that each may import
    "audio": {"audio"},
    "models": {"audio", "models"},
    "batch": {"audio", "batch", "models"},
    "cluster": {"audio", "batch", "cluster", "models"},
    "custom": {"audio", "custom", "models"},
}


def module_files(package: str) -> dict[str, Path]:
    """Return the files of a package by module name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((ROOT / package).rglob("*.py"))
    }


FILES = {name: path for package in PACKAGES for name, path in module_files(package).items()}


def statements(body: list[ast.stmt], *, local: bool) -> Iterator[ast.stmt]:
    """Yield statements, those in functions only if local; none under `if TYPE_CHECKING`."""
    for statement in body:
        yield statement
        function = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
        typing = isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)
        if typing or (function and not local):
            continue
        for block in ("body", "orelse", "finalbody", "handlers"):
            for child in getattr(statement, block, []):
                inner = child.body if isinstance(child, ast.ExceptHandler) else [child]
                yield from statements(inner, local=local)


@cache
def imports(path: Path, *, local: bool = False) -> set[str]:
    """Return the modules that a file imports; those that functions import only if local."""
    found: set[str] = set()
    for statement in statements(ast.parse(path.read_text(encoding="utf-8")).body, local=local):
        if isinstance(statement, ast.Import):
            found.update(alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            for alias in statement.names:
                submodule = f"{statement.module}.{alias.name}"
                found.add(submodule if submodule in FILES else statement.module)
    return found


@cache
def import_graph() -> dict[str, set[str]]:
    return {name: imports(path) & FILES.keys() for name, path in FILES.items()}


def assert_acyclic(graph: Mapping[str, set[str]]) -> None:
    TopologicalSorter(graph).prepare()  # raises CycleError with the cycle


def test_modules_do_not_import_each_other() -> None:
    assert_acyclic(import_graph())


@pytest.mark.parametrize("package", ["beetsplug.genreclf", "training"])
def test_subpackages_do_not_import_each_other(package: str) -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for name, imported in import_graph().items():
        for other in imported:
            start, end = subpackage(package, name), subpackage(package, other)
            if start and end and start != end:
                graph[start].add(end)
    assert_acyclic(graph)


def subpackage(package: str, module: str) -> str | None:
    """Return the folder of a package that a module is in, if any."""
    parts = module.removeprefix(f"{package}.").split(".")
    return parts[0] if module.startswith(f"{package}.") and len(parts) > 1 else None


def test_genremodel_folders_import_in_one_direction() -> None:
    for name, imported in import_graph().items():
        folder = subpackage("genremodel", name)
        if folder:
            others = {subpackage("genremodel", other) for other in imported} - {None}
            assert others <= FOLDERS[folder], name


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("genremodel", {"beets", "beetsplug", "training", "tests", "benchmarks"}),
        ("beetsplug/genreclf", {"training", "tests", "benchmarks"}),
        ("training", {"beets", "beetsplug", "tests", "benchmarks"}),
    ],
)
def test_packages_import_in_one_direction(package: str, forbidden: set[str]) -> None:
    for name, path in module_files(package).items():
        roots = {module.split(".")[0] for module in imports(path, local=True)}
        assert not roots & forbidden, name


def test_module_names_are_unique() -> None:
    """Except for `errors`, and the modules of commands, named after them."""
    places = defaultdict(list)
    for name, path in FILES.items():
        if path.stem not in ("__init__", "__main__", "errors") and ".commands." not in name:
            places[path.stem].append(name)
    assert {stem: names for stem, names in places.items() if len(names) > 1} == {}
