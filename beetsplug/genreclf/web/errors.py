"""Errors of requests: a code for the script of the page, and a message for the user."""

from __future__ import annotations

import sqlite3
from typing import Any

from beets.dbcore.db import DBAccessError

from beetsplug.genreclf.storage.errors import JournalError

LOCKED_ERRORS = (JournalError, DBAccessError, sqlite3.OperationalError)


class WebError(Exception):
    """A request that cannot be answered. message: for the user, without paths of files.

    details: further entries of the JSON object.
    """

    status = 400
    code = "invalid"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def as_object(self) -> dict[str, Any]:
        """Return the error as a JSON object."""
        return {"code": self.code, "message": self.message, **self.details}


class Searching(Exception):
    """A slow query is still being evaluated: the page asks again."""


class Invalid(WebError):
    """The request does not have the expected shape."""


class Gone(WebError):
    """The track, file, run or upload does not exist."""

    status, code = 404, "gone"


class Stale(WebError):
    """The track has changed since the page read it."""

    status, code = 409, "stale"


class LaterRun(WebError):
    """A later run has changed the same tracks."""

    status, code = 409, "later_run"


class Conflict(WebError):
    """The request does not fit the present state."""

    status, code = 409, "busy"


class TooLarge(WebError):
    """The upload exceeds the limit."""

    status, code = 413, "too_large"


class Undecodable(WebError):
    """The audio cannot be decoded or analyzed."""

    status, code = 422, "undecodable"


class Busy(WebError):
    """As much as is allowed at once is already being done."""

    status, code = 503, "busy"


class Locked(WebError):
    """Another command holds the library or the journal."""

    status, code = 503, "locked"

    def __init__(self, message: str = "another command is changing the library") -> None:
        super().__init__(message)
