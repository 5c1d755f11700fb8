"""Split the values of fields into labels, and labels into genres.

A field or a tag holds texts. `labels` splits them at separators of values only; models are trained
on labels, and labels are what is written. `genre_parts` also splits at slashes, commas and bars,
for comparisons.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from mutagen.id3 import TCON

from beetsplug.genreclf.genres import lastgenre
from beetsplug.genreclf.genres.families import known_names
from beetsplug.genreclf.genres.normalize import normalize, squash

_BETWEEN_VALUES = re.compile(r"\\␀|\x00|;")  # of beets, of tags, and of users
_BETWEEN_PARTS = re.compile(r"([/,|])")
# A number of ID3v1 alone, or numbers as ID3v2.3 writes them before a name: "(17)(20)Grunge". Other
# programs put separators between them.
_NUMBER = re.compile(r"\d{1,3}", re.ASCII)
_NUMBERS = re.compile(r"((?:\((?:\d{1,3}|RX|CR)\)[\s/,|]*)+)(.*)", re.ASCII | re.DOTALL)
# Written by programs, in any spelling, for an unknown genre.
_PLACEHOLDERS = {
    "genre", "misc", "miscellaneous", "na", "nogenre", "none", "other", "undefined", "unknown",
    "unknowngenre",
}  # fmt: skip
_MAX_PARTS = 8  # of a genre whose name has separators
_CACHED = 4096  # libraries have some hundred genres


@dataclass(frozen=True)
class Vocabulary:
    """The labels that a model is trained on.

    spelled: by their squashed names. left_out: those with too few tracks, and how many each has.
    """

    spelled: Mapping[str, str]
    left_out: Mapping[str, int]

    @classmethod
    def from_tracks(cls, tracks: Iterable[Sequence[str]], min_tracks: int) -> Vocabulary:
        """Return the labels of at least `min_tracks` tracks, each in its most common spelling.

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
        """Return the labels that are in the vocabulary, in their most common spelling."""
        keys = dict.fromkeys(map(squash, labels))
        return tuple(self.spelled[key] for key in keys if key in self.spelled)


def split(value: Any) -> list[str]:
    """Return the texts in the value of a field: a list, or a text that may hold several.

    The number 0, a path and a blank text hold none.
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
    """Return the genres that the labels in a value consist of.

    A known genre whose name has a separator is one part; the longest one wins. Numbers of ID3v1
    become names here as well. own: genres of the user with separators.

    >>> genre_parts("Hip-Hop/Rap; Singer/Songwriter")
    ['Hip-Hop', 'Rap', 'Singer/Songwriter']
    """
    parts = (part for label in labels(value) for part in _parts(label, own))
    return [name for part in parts for name in _names(part, numbers=True)]


@lru_cache(_CACHED)
def is_placeholder(text: str, others: frozenset[str] = frozenset()) -> bool:
    """Return whether a text stands for an unknown genre: blank, or such as "Unknown" or "Other".

    others: further placeholders, however spelled.
    """
    known = _PLACEHOLDERS.union(map(_letters, others))
    return _letters(text) in known or all(_letters(part) in known for part in genre_parts(text))


@lru_cache(_CACHED)
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


@lru_cache(_CACHED)
def _parts(label: str, own: frozenset[str]) -> tuple[str, ...]:
    pieces = [match for match in re.finditer(r"[^/,|]+", label) if not _is_blank(match[0])]
    stops = [*range(1, len(pieces) + 1)]  # of the part that begins with each piece
    free = [True] * len(pieces)
    for count in range(min(len(pieces), _MAX_PARTS), 1, -1):
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


@cache
def _known_genres() -> tuple[frozenset[str], frozenset[str]]:
    """Return known genres as `normalize` returns them, and those with separators as `_exact`."""
    tree = frozenset(name for *_, name in lastgenre.tree_paths())
    return known_names() | frozenset(map(normalize, tree)), _all_exact(tree)
