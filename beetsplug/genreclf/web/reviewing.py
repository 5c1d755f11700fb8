"""Decisions, and the runs that they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beets.library import Item

    from beetsplug.genreclf.web.services import Services
    from genremodel import Prediction


class Reviewer:
    def __init__(self, services: Services) -> None:
        self._services = services

    def genres_after(self, item: Item, prediction: Prediction) -> list[str] | None:
        return None

    def undoable(self) -> int | None:
        return None

    def labels(self) -> dict[str, int]:
        return {}

    def runs(self, *, before: int | None, limit: int) -> dict[str, Any]:
        return {}

    def decide(self, decisions):
        from beetsplug.genreclf.web.errors import Invalid

        raise Invalid("x")

    def undo(self, run):
        from beetsplug.genreclf.web.errors import Gone

        raise Gone("x")
