"""What collectors call the genres of their tracks, and in how many spellings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from beets.library import Item

from beetsplug.genreclf.agreement import normal, spaceless

_SEPARATORS = ("\\␀", ";")  # of several values: beets' own and people's
_VARIOUS = {"various artists", "various artist", "various", "va", "v a", "diverse", "verschiedene"}
_GUESTS = re.compile(r"\s+[(\[]?(feat|ft|featuring)\b.*", re.IGNORECASE)


@dataclass(frozen=True)
class Vocabulary:
    """The labels that are learned. left_out: those of too few tracks, and how many each has."""

    spelled: Mapping[str, str]
    left_out: Mapping[str, int]

    @classmethod
    def of(cls, tracks: Iterable[Sequence[str]], min_tracks: int) -> Vocabulary:
        """Return the labels of at least `min_tracks` tracks, each in its commonest spelling.

        tracks: the labels of each.
        """
        spellings: dict[str, Counter[str]] = {}
        for labels in tracks:
            for key, label in {spaceless(label): label for label in labels}.items():
                spellings.setdefault(key, Counter())[label] += 1
        named = {key: counts.most_common(1)[0][0] for key, counts in spellings.items()}
        rare = {key: n for key, counts in spellings.items() if (n := counts.total()) < min_tracks}
        return cls(
            {key: name for key, name in named.items() if key not in rare},
            {named[key]: count for key, count in rare.items()},
        )

    def __call__(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Return those labels that are learned, as they are spelled."""
        keys = dict.fromkeys(map(spaceless, labels))
        return tuple(self.spelled[key] for key in keys if key in self.spelled)


def split(value: Any) -> list[str]:
    """Return the labels in the value of a field: a list, or a text that may hold several."""
    if value in (None, 0) or isinstance(value, bytes):  # a number that is not known, or a path
        return []
    parts = [*map(str, value)] if isinstance(value, (list, tuple)) else [str(value)]
    for separator in _SEPARATORS:
        parts = [part for joined in parts for part in joined.split(separator)]
    return [label for part in parts if (label := part.strip())]


def artist(track: Item) -> str:
    """Return who made a track, the same name for all that may sound alike for that reason.

    The album artist or, of compilations, the artist, without guests; where neither is known, the
    track itself: a folder of files without tags is seldom by one artist.
    """
    names = [track.artist] if track.comp else [track.albumartist, track.artist]
    for name in (normal(_GUESTS.sub("", name)) for name in names):
        if name and name not in _VARIOUS:
            return name
    return f"track {track.id}"
