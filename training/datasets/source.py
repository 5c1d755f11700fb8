"""The origin and license of a dataset."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A row of the model card. part: the part that is used."""

    name: str
    part: str
    license: str
