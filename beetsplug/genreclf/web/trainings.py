"""Trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beetsplug.genreclf.web.services import Services


class Trainings:
    has_previous = False
    trained = 0.0

    def __init__(self, services: Services) -> None:
        self._services = services

    def current(self) -> None:
        return None

    def close(self) -> None:
        pass
