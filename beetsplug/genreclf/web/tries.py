"""*Try a song*: predict the genre of an uploaded file, which is kept for a few minutes only.

A file arrives in pieces, because the server limits the bodies of requests. It is stored in a
private folder under a name of its own, and never enters the cache, the library or the journal.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beetsplug.genreclf.web.errors import Busy, Conflict, Gone, Invalid, TooLarge, Undecodable
from beetsplug.genreclf.web.tracks import prediction_object
from genremodel.batch.worker import analyze_uncached
from genremodel.errors import AudioError

if TYPE_CHECKING:
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.web.media_files import MediaFiles

PIECE = 1 << 20  # bytes
_MAX_SIZE = 300 << 20  # bytes of a file
_MAX_FILES = 2  # at once
_KEPT_SECONDS = 600.0
_STALLED_SECONDS = 60.0  # after which an upload makes room for another
_POLL_SECONDS = 5.0
_REMOVED = "the file has been removed; drop it again"


@dataclass
class _Upload:
    """A file. used: when it was last asked for."""

    path: Path
    size: int
    received: int = 0
    used: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_complete(self) -> bool:
        return self.received == self.size

    @property
    def is_old(self) -> bool:
        limit = _KEPT_SECONDS if self.is_complete else _STALLED_SECONDS
        return time.monotonic() - self.used > limit


class Tries:
    """The uploaded files. predictor: returns the one in use. folder: private."""

    def __init__(self, predictor: Callable[[], Predictor], media: MediaFiles, folder: Path) -> None:
        self._predictor = predictor
        self._media = media
        self._folder = folder
        self._uploads: dict[str, _Upload] = {}
        self._mutex = threading.Lock()
        self._stopping = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        """End the thread that removes old files."""
        self._stopping.set()

    def begin(self, size: object) -> dict[str, Any]:
        """Make room for a file of a size in bytes. Raises Invalid, TooLarge and Busy."""
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise Invalid("size must be a number of bytes")
        if size > _MAX_SIZE:
            raise TooLarge(f"the file is larger than {_MAX_SIZE >> 20} MB")
        if not size:
            raise Undecodable("the file is empty")
        self._remove(lambda upload: upload.is_complete or upload.is_old)
        with self._mutex:
            if len(self._uploads) >= _MAX_FILES:
                raise Busy("other files are being tried")
            token, path = secrets.token_urlsafe(12), self._folder / secrets.token_hex(12)
            path.touch(mode=0o600, exist_ok=False)
            self._uploads[token] = _Upload(path, size)
        return {"id": token, "piece": PIECE}

    def append(self, token: str, offset: int, piece: bytes) -> int:
        """Add a piece to a file, and return how many bytes have been received."""
        upload = self._get(token)
        with upload.lock:
            if offset != upload.received:
                raise Conflict("this piece does not follow the one before")
            if upload.received + len(piece) > upload.size:
                raise TooLarge("the file is larger than announced")
            try:
                with upload.path.open("r+b") as file:  # not created again if it was removed
                    file.seek(offset)
                    file.write(piece)
            except FileNotFoundError as exc:
                raise Gone(_REMOVED) from exc
            upload.received += len(piece)
            return upload.received

    def predict(self, token: str) -> dict[str, Any]:
        """Return the prediction of a file. Raises Undecodable, and then the file is removed."""
        upload = self._get(token)
        with upload.lock:
            if not upload.is_complete:
                raise Conflict("the file is not complete")
            predictor, began = self._predictor(), time.monotonic()
            try:
                analysis = predictor.pool.run(analyze_uncached, upload.path).result()
            except AudioError as exc:
                self.remove(token)
                raise Undecodable(f"cannot be decoded: {exc}") from exc
            prediction = predictor.classifier.predict(analysis)
            took = time.monotonic() - began
        return {"id": token, "took": round(took, 3), **prediction_object(prediction)}

    def path(self, token: str) -> Path:
        """Return a complete file. Raises Gone."""
        upload = self._get(token)
        if not upload.is_complete:
            raise Gone("the file is not complete")
        return upload.path

    def remove(self, token: str) -> None:
        """Remove a file, if it is there."""
        with self._mutex:
            upload = self._uploads.pop(token, None)
        if upload:
            self._media.remove(upload.path)

    def _get(self, token: str) -> _Upload:
        with self._mutex:
            upload = self._uploads.get(token)
            if upload is None or upload.is_old:
                raise Gone(_REMOVED)
            upload.used = time.monotonic()
            return upload

    def _remove(self, is_removed: Callable[[_Upload], bool]) -> None:
        with self._mutex:
            tokens = [token for token, upload in self._uploads.items() if is_removed(upload)]
        for token in tokens:
            self.remove(token)

    def _watch(self) -> None:
        """Remove files that were not asked for in a while."""
        while not self._stopping.wait(_POLL_SECONDS):
            with suppress(OSError):
                self._remove(lambda upload: upload.is_old)
