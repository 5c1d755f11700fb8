"""Spell the genres and styles of a model as the user wants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# Of each word, and of each part of "r&b".
_FIRST_LETTER = re.compile(r"(?<![^\s&])\w")


@dataclass(frozen=True)
class Spelling:
    """The spelling of genres and styles in tags.

    title_case: "Hip Hop" for "hip hop". names: exceptions, by the names of the model.
    """

    title_case: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    def format(self, genre: str) -> str:
        """Return a genre or a style of the model as tags spell it."""
        if genre in self.names:
            return self.names[genre]
        return _FIRST_LETTER.sub(_upper, genre) if self.title_case else genre


def _upper(letter: re.Match[str]) -> str:
    return letter[0].upper()
