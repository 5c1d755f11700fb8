"""The tracks that typed queries match. Slow queries are evaluated in the background."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillSearching
from dataclasses import dataclass

from beets.dbcore.query import Query
from beets.library import Library

from beetsplug.genreclf.web.errors import Searching
from beetsplug.genreclf.web.music_folder import music_folder
from beetsplug.genreclf.web.query_box import is_slow, matching_ids, parse_text
from beetsplug.genreclf.web.track_table import Ids

_KEPT = 8  # queries
_KEPT_SECONDS = 10.0
_PATIENCE_SECONDS = 0.5  # to wait for a slow query
_SHARE = 10  # a slow query is evaluated for at most a tenth of the time


@dataclass(frozen=True)
class _Found:
    """The tracks that a query matched. ended: when; took: in seconds."""

    ids: Ids
    ended: float
    took: float

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self.ended > max(_KEPT_SECONDS, (_SHARE - 1) * self.took)


class Searches:
    """Evaluates the queries that are typed into the page."""

    def __init__(self, lib: Library) -> None:
        self._lib = lib
        self._found: OrderedDict[str, _Found] = OrderedDict()  # by query, the newest last
        self._pending: dict[str, Future[_Found]] = {}  # slow ones
        self._mutex = threading.Lock()
        self._executor = ThreadPoolExecutor(max_workers=1)
        self._stopping = threading.Event()

    def get(self, text: str) -> Ids | None:
        """Return the ids of the tracks that a query matches, or None if it is empty.

        Raises Invalid; and Searching the first time that a slow query is asked for, until its
        result is there. From then on the result of the last time is returned at once.
        """
        if not text.strip():
            return None
        with self._mutex:
            self._take_results(text)
            found = self._found.get(text)
        if found and not found.is_old:
            return found.ids
        query = parse_text(text)
        if not is_slow(query):
            found = self._evaluate(query)
            with self._mutex:
                self._keep(text, found)
            return found.ids
        with self._mutex:
            if text not in self._pending:
                self._pending[text] = self._executor.submit(self._evaluate, query)
            pending = self._pending[text]
        if found:
            return found.ids
        try:
            return pending.result(_PATIENCE_SECONDS).ids
        except (StillSearching, CancelledError) as exc:
            raise Searching from exc

    def close(self) -> None:
        """Give up the searches that are under way."""
        self._stopping.set()
        self._executor.shutdown(cancel_futures=True)

    def _take_results(self, wanted: str) -> None:
        """Keep the results that are there. Raises as the search for the wanted query did."""
        for text, future in [*self._pending.items()]:
            if future.done():
                del self._pending[text]
                if text == wanted or not future.exception():
                    self._keep(text, future.result())

    def _keep(self, text: str, found: _Found) -> None:
        self._found[text] = found
        self._found.move_to_end(text)
        if len(self._found) > _KEPT:
            self._found.popitem(last=False)

    def _evaluate(self, query: Query) -> _Found:
        began = time.monotonic()
        with music_folder(self._lib):
            ids = matching_ids(self._lib, query, lambda: not self._stopping.is_set())
        ended = time.monotonic()
        return _Found(ids, ended, ended - began)
