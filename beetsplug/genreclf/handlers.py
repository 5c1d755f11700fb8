"""Decorators for event handlers and import stages."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, Protocol

from beets.library import Item
from beets.util import displayable_path


class Reporting(Protocol):
    """An object whose handlers report errors."""

    def report_failure(self, what: str, error: Exception) -> None:
        """Report an unexpected error. what: the file, or the handler that failed."""


Handler = Callable[..., None]


def contained(*passing: type[Exception]) -> Callable[[Handler], Handler]:
    """Let a handler report all errors but `passing`, so that beets and other plugins go on.

    An event that other code sends without the arguments of beets is ignored; additional arguments
    are dropped.
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
    """Let other handlers of the plugin run during a handler.

    beets sets the level of the plugin's logger during a handler, and asserts that it is not set
    when another one starts. Writing and storing send events, whose listeners may write or move
    files.
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
