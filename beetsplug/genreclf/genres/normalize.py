"""Forms of genre names that are equal for all spellings."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_CACHED = 4096  # libraries have some hundred genres


@lru_cache(_CACHED)
def normalize(name: str) -> str:
    """Return a name in lower case, without punctuation and the word "music".

    >>> normalize("Hip-Hop"), normalize("Drum & Bass"), normalize("World Music")
    ('hip hop', 'drum and bass', 'world')
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    words = re.sub(r"[\W_]+", " ", folded.replace("&", " and ").replace("+", " and "))
    words = re.sub(r"\bn\b", "and", words).strip()
    return words.removeprefix("and ").removesuffix(" music") if " " in words else words


def squash(name: str) -> str:
    """Return a normalized name without spaces.

    >>> squash("Hip-Hop"), squash("hip hop"), squash("HipHop")
    ('hiphop', 'hiphop', 'hiphop')
    """
    return normalize(name).replace(" ", "") or name
