"""How a genre of the model is spelled in tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import capwords


@dataclass(frozen=True)
class Spelling:
    """The user's spelling of genres.

    title_case: "Hip Hop" for "hip hop". names: the exceptions, by the model's names.
    """

    title_case: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, genre: str) -> str:
        """Return a genre of the model as it is to be spelled."""
        return self.names.get(genre) or (capwords(genre) if self.title_case else genre)
