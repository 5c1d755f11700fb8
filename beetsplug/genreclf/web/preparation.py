"""Prepare the tracks that the user is likely to open next, in the background.

The workers take tasks first come first served: only one of them is used at a time, and only if
there is another one for what the user asks for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from beetsplug.genreclf.web.errors import WebError
from beetsplug.genreclf.web.music_folder import music_folder
from genremodel.batch.processes import cpu_count
from genremodel.batch.worker import analyze
from genremodel.errors import AudioError

if TYPE_CHECKING:
    from beetsplug.genreclf.web.services import Services

_DELAY_SECONDS = 1.0  # the track that the user has opened comes first
_CLOSE_SECONDS = 0.3  # more than reading a track takes; a decoder is not waited for


class Preparation:
    """Analyzes tracks, and then makes their spectrograms, until it is given others."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._find_tracks: Callable[[], Sequence[int]] = list
        self._has_changed = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        workers = services.predictor.config.threads or cpu_count()
        if workers > 1:
            self._thread.start()

    def replace(self, find_tracks: Callable[[], Sequence[int]]) -> None:
        """Prepare other tracks from now on. find_tracks: returns their ids; may raise WebError."""
        self._find_tracks = find_tracks
        self._has_changed.set()

    def close(self) -> None:
        """Prepare no more tracks."""
        self._is_closed = True
        self._has_changed.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)

    def _work(self) -> None:
        while self._has_changed.wait() and not self._is_closed:
            self._has_changed.clear()
            if not self._has_changed.wait(_DELAY_SECONDS):
                try:
                    with music_folder(self._services.lib):
                        self._prepare()
                except Exception as exc:
                    self._services.context.report_failure("preparing tracks", exc)

    def _prepare(self) -> None:
        tracks: Sequence[int] = ()
        with suppress(WebError):
            tracks = self._find_tracks()
        for step in (self._analyze, self._draw):
            for track in tracks:
                if self._has_changed.is_set():
                    return
                with suppress(WebError, AudioError):
                    step(track)

    def _analyze(self, track: int) -> None:
        """Put the analysis of a track into the cache, unless it is there."""
        services = self._services
        path = services.track_path(track)
        # Unlike `submit`, whose results come in order, this delays no other result.
        services.predictor.pool.run(analyze, path).result()
        services.media.media_type(path)

    def _draw(self, track: int) -> None:
        self._services.media.spectrogram(self._services.track_path(track))
