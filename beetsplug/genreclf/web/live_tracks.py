"""Keep the table of tracks up to date while this server and other programs change the library.

It is read in the background, at the start as well: the page need not wait for it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Collection
from contextlib import closing, suppress
from pathlib import Path

from beetsplug.genreclf.web.errors import Locked
from beetsplug.genreclf.web.track_table import Ids, TrackTable

_POLL_SECONDS = 1.0
_READ_SECONDS = 30.0  # at the start
_CLOSE_SECONDS = 0.3
_OWN_SECONDS = 30.0  # another program may have changed tracks at the moment when this server did
_SHARE = 5  # a library that changes all the time is read for at most a fifth of the time


def connect(library: Path) -> sqlite3.Connection:
    """Return a connection that only reads. It does not wait for those of beets."""
    address = f"{library.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=5)
    connection.text_factory = lambda text: text.decode(errors="replace")
    return connection


class LiveTracks:
    """The tracks of a library, read again in the background when another program changes them.

    library: its file. selected: ids of the tracks that count, None for all.
    """

    def __init__(self, library: Path, selected: Ids | None) -> None:
        self._library = library
        self._selected = selected
        self._replacing = threading.Lock()  # held while the table is replaced
        self._reading = threading.Lock()  # one reads all tracks at a time
        self._updated = set[int]()  # tracks that this server has changed since all were last read
        self._has_updated = False
        self._stopping = threading.Event()
        self._is_read = threading.Event()
        self._table = TrackTable.empty()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def table(self) -> TrackTable:
        """The tracks. A table never changes; ask for it once per request. Raises Locked."""
        if not self._is_read.wait(_READ_SECONDS):
            raise Locked("the library cannot be read")
        return self._table

    def update(self, ids: Collection[int]) -> None:
        """Read tracks again that this server has changed; in the background if that fails."""
        with self._replacing, suppress(sqlite3.Error):
            self._updated.update(ids)
            self._table = self._table.replaced(self._read(ids))
            self._has_updated = True

    def reload(self) -> None:
        """Read all tracks again."""
        with self._reading:
            with self._replacing:
                self._updated.clear()
            table = self._read(None)
            with self._replacing:
                # Those that were changed meanwhile may have been read before.
                self._table = table.replaced(self._read(self._updated))
            self._is_read.set()

    def select(self, selected: Ids | None) -> None:
        """Let other tracks count, and read all tracks again."""
        self._selected = selected
        self.reload()

    def close(self) -> None:
        """End the thread that reads the library."""
        self._stopping.set()
        self._thread.join(_CLOSE_SECONDS)

    def _watch(self) -> None:
        seen, due, earliest = None, 0.0, 0.0
        with closing(connect(self._library)) as database:
            while not self._stopping.is_set():
                with suppress(sqlite3.Error):  # locked: try again
                    # It differs after another connection has changed the library.
                    (version,) = database.execute("PRAGMA data_version").fetchone()
                    now = time.monotonic()
                    if version != seen:
                        seen = version
                        due = min(due, now + (_OWN_SECONDS if self._has_updated else 0))
                        self._has_updated = False
                    if now >= max(due, earliest):
                        self.reload()
                        due, ended = float("inf"), time.monotonic()
                        earliest = ended + (_SHARE - 1) * (ended - now)
                self._stopping.wait(_POLL_SECONDS)

    def _read(self, ids: Collection[int] | None) -> TrackTable:
        with closing(connect(self._library)) as database:
            table = TrackTable.read(database, ids)
        return table if self._selected is None else table.only(self._selected)
