"""Keep the table of tracks up to date while this server and other programs change the library."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Collection
from contextlib import closing, suppress
from pathlib import Path

from beetsplug.genreclf.web.track_table import Ids, TrackTable

_POLL_SECONDS = 1.0
_OWN_SECONDS = 30.0  # another program may have changed tracks at the moment when this server did
_SHARE = 5  # a library that changes all the time is read for this part of the time at most


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
        self._watched = self._connect(check_same_thread=False)
        self._seen = self._version()
        self._table = self._read(None)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def table(self) -> TrackTable:
        """The tracks. It never changes; ask for it once per request."""
        return self._table

    def update(self, ids: Collection[int]) -> None:
        """Read tracks again that this server has changed."""
        with self._replacing:
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

    def select(self, selected: Ids | None) -> None:
        """Let other tracks count, and read all tracks again."""
        self._selected = selected
        self.reload()

    def close(self) -> None:
        """End the thread that watches the library."""
        self._stopping.set()
        self._thread.join()
        self._watched.close()

    def _watch(self) -> None:
        due, earliest = float("inf"), 0.0
        while not self._stopping.wait(_POLL_SECONDS):
            with suppress(sqlite3.Error):  # locked, or being replaced: try again
                version, now = self._version(), time.monotonic()
                if version != self._seen:
                    self._seen = version
                    due = min(due, now + (_OWN_SECONDS if self._has_updated else 0))
                    self._has_updated = False
                if now >= max(due, earliest):
                    self.reload()
                    due, ended = float("inf"), time.monotonic()
                    earliest = ended + (_SHARE - 1) * (ended - now)

    def _version(self) -> int:
        """Return a number that differs after another connection has changed the library."""
        return int(self._watched.execute("PRAGMA data_version").fetchone()[0])

    def _read(self, ids: Collection[int] | None) -> TrackTable:
        with closing(self._connect()) as database:
            table = TrackTable.read(database, ids)
        return table if self._selected is None else table.only(self._selected)

    def _connect(self, *, check_same_thread: bool = True) -> sqlite3.Connection:
        """Return a connection. It does not wait for those of beets."""
        address = f"{self._library.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(address, uri=True, timeout=5, check_same_thread=check_same_thread)
