"""Genre families: `families.yaml`, extended by the genre tree and the aliases of lastgenre."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from beetsplug.genreclf.genres import lastgenre
from beetsplug.genreclf.genres.normalize import normalize

_NONE = frozenset[str]()


class _Families(NamedTuple):
    """by_name: the families of each name. related: the families related to each family."""

    by_name: dict[str, frozenset[str]]
    related: dict[str, frozenset[str]]
    unspecific: frozenset[str]


def families_of(name: str) -> frozenset[str]:
    """Return the families of a genre; none if it is unknown.

    These are the families of its name or of the longest ending of its name that has any, else
    those of the nearest genre above it in the tree of lastgenre.

    >>> sorted(families_of("Norwegian Black Metal")), sorted(families_of("trip hop"))
    (['metal'], ['electronic', 'hip hop'])
    """
    names = [normalize(name)]
    if alias := lastgenre.resolve_alias(name):
        names.append(normalize(alias))
    found = (*map(_by_ending, names), *map(_by_tree, names))
    return next(filter(None, found), _NONE)


def related_families(family: str) -> frozenset[str]:
    """Return the families whose borders with a family are indistinct."""
    return _load().related[family]


def known_names() -> frozenset[str]:
    """Return the names in `families.yaml`."""
    return frozenset(_load().by_name)


@cache
def _load() -> _Families:
    text = Path(__file__).with_name("families.yaml").read_text(encoding="utf-8")
    data = yaml.load(text, lastgenre.Loader)
    by_name: dict[str, set[str]] = {}
    for family, names in data["families"].items():
        for name in (family, *names):
            by_name.setdefault(name, set()).add(family)
    related: dict[str, set[str]] = {family: set() for family in data["families"]}
    for one, other in data["related"]:
        related[one].add(other)
        related[other].add(one)
    return _Families(
        {name: frozenset(families) for name, families in by_name.items()},
        {family: frozenset(families) for family, families in related.items()},
        frozenset(data["unspecific"]),
    )


def _by_ending(name: str) -> frozenset[str]:
    by_name = _load().by_name
    return next((by_name[ending] for ending in _endings(name) if ending in by_name), _NONE)


def _by_tree(name: str) -> frozenset[str]:
    if name in _load().unspecific:
        return _NONE
    return next(filter(None, map(_by_ending, _genres_above().get(name, ()))), _NONE)


def _endings(name: str) -> Iterator[str]:
    words = name.split()
    return (" ".join(words[start:]) for start in range(len(words)))


@cache
def _genres_above() -> dict[str, tuple[str, ...]]:
    """Return the genres above each genre in the tree of lastgenre, nearest first."""
    paths = ([normalize(name) for name in path] for path in lastgenre.tree_paths())
    return {name: tuple(reversed(above)) for *above, name in paths}
