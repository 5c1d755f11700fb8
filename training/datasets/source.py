"""Where data comes from and on what terms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """What the model card says of a dataset. part: what of it was used, and for what."""

    name: str
    part: str
    licence: str
