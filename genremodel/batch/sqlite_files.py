"""Open SQLite files that other processes may open or create at the same time."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

_TIMEOUT = 60  # seconds
_RETRY_DELAY = 0.01


def open_read_only(path: Path) -> sqlite3.Connection:
    """Return a connection to an existing SQLite file that several threads may use.

    Raises sqlite3.Error.
    """
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, check_same_thread=False)
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error:  # it cannot create the WAL files that this mode needs
        connection.close()
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, check_same_thread=False)
    return connection


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Let other processes read a file while one writes to it. Raises sqlite3.Error.

    SQLite does not wait by itself while another process switches the same file to this mode.
    """
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_DELAY)
        else:
            return
