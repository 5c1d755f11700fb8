"""Event handlers that never end the work of another program."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, Protocol

from beets.library import Item
from beets.util import displayable_path


class Reporting(Protocol):
    """An object whose handlers report what goes wrong."""

    def report_failure(self, what: str, error: Exception) -> None:
        """Report an unexpected error. what: the file, or the handler that failed."""


Handler = Callable[..., None]


def contained(*passing: type[Exception]) -> Callable[[Handler], Handler]:
    """Make a method an event handler, or an import stage, that reports all errors but `passing`.

    An event that other code sends without the arguments of beets is ignored; further arguments are
    left out.
    """

    def decorate(handler: Handler) -> Handler:
        names = [*signature(handler).parameters][1:]

        @wraps(handler)
        def call(self: Reporting, *positional: Any, **named: Any) -> None:
            arguments = dict(zip(names, positional, strict=False)) | named
            if not arguments.keys() >= {*names}:
                return
            try:
                handler(self, **{name: arguments[name] for name in names})
            except passing:
                raise
            except Exception as exc:
                item = arguments.get("item")
                what = displayable_path(item.path) if isinstance(item, Item) else handler.__name__
                self.report_failure(what, exc)

        return call

    return decorate


class Logging(Protocol):
    """An object with the logger that beets gives to a plugin."""

    _log: logging.Logger


def reentrant(handler: Handler) -> Handler:
    """Make a method an event handler, or an import stage, during which others may be entered.

    beets gives the plugin's logger a level while it runs, and insists that there is none when
    another handler of the plugin is entered. Whatever is written or stored sends events, and their
    listeners may write or move files.
    """

    @wraps(handler)
    def call(self: Logging, *positional: Any, **named: Any) -> None:
        level = self._log.level
        self._log.setLevel(logging.NOTSET)
        try:
            handler(self, *positional, **named)
        finally:
            self._log.setLevel(level)

    return call
