"""Data of beets' own plugin lastgenre: its genre tree and its aliases, each if it is there.

The plugin is not imported, because it may lack what it needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where PyYAML has it


@cache
def tree_paths() -> tuple[tuple[str, ...], ...]:
    """Return each genre of the tree, as the last of a path from the root."""
    return tuple(_paths(_read("genres-tree.yaml")))


def resolve_alias(genre: str) -> str | None:
    """Return the canonical name of a genre, as lastgenre of beets 2.13 or later spells it."""
    for pattern, canonical in _aliases():
        if match := pattern.fullmatch(genre.lower()):
            try:
                return match.expand(canonical)
            except (re.error, IndexError):
                continue
    return None


@cache
def _aliases() -> tuple[tuple[re.Pattern[str], str], ...]:
    data = _read("aliases.yaml")
    aliases = []
    for canonical, patterns in data.items() if isinstance(data, dict) else ():
        for pattern in patterns if isinstance(patterns, list) else ():
            try:
                aliases.append((re.compile(str(pattern)), str(canonical)))
            except re.error:
                continue
    return tuple(aliases)


def _read(name: str) -> Any:
    """Return the content of a YAML file of the plugin, or None if it cannot be read."""
    spec = find_spec("beetsplug.lastgenre")
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            return yaml.load((Path(folder) / name).read_text(encoding="utf-8"), Loader)
        except (OSError, ValueError, yaml.YAMLError):
            continue
    return None


def _paths(tree: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each name in nested lists and mappings."""
    if isinstance(tree, dict):
        for name, below in tree.items():
            path = (*above, str(name))
            yield path
            yield from _paths(below, path)
    elif isinstance(tree, list):
        for branch in tree:
            yield from _paths(branch, above)
    elif tree is not None:
        yield (*above, str(tree))
