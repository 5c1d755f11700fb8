"""Genre texts: how they are split, and how their parts are compared.

A field or a tag holds texts. `labels` splits them where values end and nowhere else: that is what
people call a genre, and what is learned. `genre_parts` splits further, for comparisons only: what
is written is always a whole text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from mutagen.id3 import TCON

from beetsplug.genreclf.genres.families import INDEX

_BETWEEN_VALUES = re.compile(r"\\␀|\x00|;")  # beets' own separator, that of tags, and people's
_BETWEEN_PARTS = re.compile(r"([/,|])")
# A number of ID3v1 alone, or numbers as ID3v2.3 writes them before a name: "(17)(20)Grunge". Other
# programs put separators between them.
_NUMBER = re.compile(r"\d{1,3}", re.ASCII)
_NUMBERS = re.compile(r"((?:\((?:\d{1,3}|RX|CR)\)[\s/,|]*)+)(.*)", re.ASCII | re.DOTALL)
# Programs write these, in any spelling, where the genre is not known.
_PLACEHOLDERS = {
    "genre", "misc", "miscellaneous", "na", "nogenre", "none", "other", "undefined", "unknown",
    "unknowngenre",
}  # fmt: skip
_MOST_PARTS = 8  # of a genre whose name has separators
_KEPT = 4096  # results; libraries have some hundred genres


@dataclass(frozen=True)
class Vocabulary:
    """The labels that are learned. left_out: those of too few tracks, and how many each has."""

    spelled: Mapping[str, str]
    left_out: Mapping[str, int]

    @classmethod
    def from_tracks(cls, tracks: Iterable[Sequence[str]], min_tracks: int) -> Vocabulary:
        """Return the labels of at least `min_tracks` tracks, each in its commonest spelling.

        tracks: the labels of each.
        """
        spellings: dict[str, Counter[str]] = {}
        for labels in tracks:
            for key, label in {squash(label): label for label in labels}.items():
                spellings.setdefault(key, Counter())[label] += 1
        named = {key: counts.most_common(1)[0][0] for key, counts in spellings.items()}
        rare = {key: n for key, counts in spellings.items() if (n := counts.total()) < min_tracks}
        return cls(
            {key: name for key, name in named.items() if key not in rare},
            {named[key]: count for key, count in rare.items()},
        )

    def canonical(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Return those labels that are learned, as they are spelled."""
        keys = dict.fromkeys(map(squash, labels))
        return tuple(self.spelled[key] for key in keys if key in self.spelled)


def split(value: Any) -> list[str]:
    """Return the texts in the value of a field: a list, or a text that may hold several.

    A number that is not known, a path and a blank text hold none.
    """
    if value in (None, 0) or isinstance(value, bytes):
        return []
    values = value if isinstance(value, (list, tuple)) else [value]
    return [text for joined in values for text in _texts(str(joined or ""))]


def labels(value: Any, *, numbers: bool = True) -> list[str]:
    """Return the labels in the value of a field, see `split`.

    Numbers of ID3v1 become names: "(17)(20)" is Rock and Alternative. numbers: also one without
    parentheses, which may be a rating in a field that is not for genres.
    """
    return [name for text in split(value) for name in _names(text, numbers)]


def genre_parts(value: Any, own: frozenset[str] = frozenset()) -> list[str]:
    """Return the genres that the labels in a value consist of: Hip-Hop and Rap of "Hip-Hop/Rap".

    A genre whose name has a separator is one part, the longest name first: "Singer/Songwriter".
    Numbers of ID3v1 are names here as well: "17/20". own: genres of the user with separators.
    """
    parts = (part for label in labels(value) for part in _parts(label, own))
    return [name for part in parts for name in _names(part, numbers=True)]


@lru_cache(_KEPT)
def is_placeholder(text: str, others: frozenset[str] = frozenset()) -> bool:
    """Return whether a text is no genre: blank, or a placeholder such as "Unknown".

    others: further placeholders, however spelled.
    """
    known = _PLACEHOLDERS.union(map(_letters, others))
    return _letters(text) in known or all(_letters(part) in known for part in genre_parts(text))


@lru_cache(_KEPT)
def normalize(name: str) -> str:
    """Return a name as all of its spellings have it: "hip hop" of "Hip-Hop"."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    words = re.sub(r"[\W_]+", " ", folded.replace("&", " and ").replace("+", " and "))
    words = re.sub(r"\bn\b", "and", words).strip()
    return words.removeprefix("and ").removesuffix(" music") if " " in words else words


def squash(name: str) -> str:
    """Return what "Hip-Hop", "hip hop" and "HipHop" have in common."""
    return normalize(name).replace(" ", "") or name


@lru_cache(_KEPT)
def _texts(joined: str) -> tuple[str, ...]:
    texts = _BETWEEN_VALUES.split(joined)
    return tuple(text.strip() for text in texts if not _is_blank(text))


def _letters(text: str) -> str:
    """Return the letters and digits of a text, or all of it where there are none."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold()) or text


def _is_blank(text: str) -> bool:
    """Return whether a text has no letter, digit or symbol, be it visible or not."""
    return all(unicodedata.category(letter)[0] in "CPZ" for letter in text)


def _names(text: str, numbers: bool) -> Iterator[str]:
    if numbers and _NUMBER.fullmatch(text):
        yield from TCON(encoding=3, text=[text]).genres
    elif match := _NUMBERS.fullmatch(text):
        names = TCON(encoding=3, text=[re.sub(r"[\s/,|]", "", match[1])]).genres
        yield from dict.fromkeys([*names, *labels(match[2], numbers=numbers)])
    else:
        yield text


@lru_cache(_KEPT)
def _parts(label: str, own: frozenset[str]) -> tuple[str, ...]:
    pieces = [match for match in re.finditer(r"[^/,|]+", label) if not _is_blank(match[0])]
    stops = [*range(1, len(pieces) + 1)]  # of the part that begins with each piece
    free = [True] * len(pieces)
    for count in range(min(len(pieces), _MOST_PARTS), 1, -1):
        for start in range(len(pieces) - count + 1):
            stop = start + count
            if all(free[start:stop]) and _is_genre(label, pieces[start:stop], own):
                stops[start] = stop
                free[start:stop] = [False] * count
    found, start = [], 0
    while start < len(pieces):
        found.append(label[pieces[start].start() : pieces[stops[start] - 1].end()].strip())
        start = stops[start]
    return tuple(found)


def _is_genre(label: str, pieces: Sequence[re.Match[str]], own: frozenset[str]) -> bool:
    """Return whether pieces of a label, and what is between them, are one genre.

    A known name without separators is one as well, "hip hop" of "Hip/Hop"; but not if each piece
    is a genre: "Soul/Jazz" is two although there is soul jazz.
    """
    text = label[pieces[0].start() : pieces[-1].end()]
    known, exact = _known_genres()
    if _exact(text) in exact | _all_exact(own):
        return True
    return normalize(text) in known and not all(normalize(piece[0]) in known for piece in pieces)


def _exact(text: str) -> str:
    """Return a name in the form of `normalize`, but with its separators."""
    return "".join(
        part if _BETWEEN_PARTS.fullmatch(part) else normalize(part)
        for part in _BETWEEN_PARTS.split(text)
    )


@lru_cache(16)
def _all_exact(names: frozenset[str]) -> frozenset[str]:
    return frozenset(_exact(name) for name in names if _BETWEEN_PARTS.search(name))


@lru_cache(1)
def _known_genres() -> tuple[frozenset[str], frozenset[str]]:
    """Return known genres as of `normalize`, and those with separators as of `_exact`."""
    tree = frozenset(_lastgenre_tree())
    return frozenset(INDEX) | frozenset(map(normalize, tree)), _all_exact(tree)


def _lastgenre_tree() -> Iterator[str]:
    """Yield the genres of the tree that beets' plugin lastgenre has, if it has one.

    The plugin is not imported, because it may lack what it needs.
    """
    spec = find_spec("beetsplug.lastgenre")
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            text = (Path(folder) / "genres-tree.yaml").read_text(encoding="utf-8")
            yield from _leaves(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        except (OSError, ValueError, yaml.YAMLError):
            continue


def _leaves(tree: Any) -> Iterator[str]:
    """Yield all names of nested lists and mappings."""
    if isinstance(tree, dict):
        yield from map(str, tree)
        tree = [*tree.values()]
    if isinstance(tree, list):
        for branch in tree:
            yield from _leaves(branch)
    elif tree is not None:
        yield str(tree)
