"""*Try a song*: predict the genre of an uploaded file, which is kept for a few minutes only.

A file arrives in pieces, because the server limits the bodies of requests. It is stored in a
private folder under a name of its own, and never enters the cache, the library or the journal.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
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


class Tries:
    """The uploaded files. predictor: returns the one in use. folder: private."""

    def __init__(self, predictor: Callable[[], Predictor], media: MediaFiles, folder: Path) -> None:
        self._predictor = predictor
        self._media = media
        self._folder = folder
        self._uploads: dict[str, _Upload] = {}
        self._mutex = threading.Lock()

    def begin(self, size: object) -> dict[str, Any]:
        """Make room for a file of a size in bytes. Raises Invalid, TooLarge and Busy."""
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise Invalid("size must be a number of bytes")
        if size > _MAX_SIZE:
            raise TooLarge(f"the file is larger than {_MAX_SIZE >> 20} MB")
        if not size:
            raise Undecodable("the file is empty")
        self._remove_old()
        with self._mutex:
            if len(self._uploads) >= _MAX_FILES:
                raise Busy("other files are being tried")
            token = secrets.token_urlsafe(12)
            self._uploads[token] = _Upload(self._folder / secrets.token_hex(12), size)
        return {"id": token, "piece": PIECE}

    def append(self, token: str, offset: int, piece: bytes) -> int:
        """Add a piece to a file, and return how many bytes have been received."""
        upload = self._get(token)
        with upload.lock:
            if offset != upload.received:
                raise Conflict("this piece does not follow the one before")
            if upload.received + len(piece) > upload.size:
                raise TooLarge("the file is larger than announced")
            with open(upload.path, "ab", opener=_private) as file:
                file.write(piece)
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
            self._media.forget(upload.path)
            upload.path.unlink(missing_ok=True)

    def _get(self, token: str) -> _Upload:
        with self._mutex:
            upload = self._uploads.get(token)
            if upload is None or _is_old(upload):
                raise Gone("the file has been removed; drop it again")
            upload.used = time.monotonic()
            return upload

    def _remove_old(self) -> None:
        """Remove files that were not asked for in a while, and those that a new one replaces."""
        with self._mutex:
            old = [
                token
                for token, upload in self._uploads.items()
                if upload.is_complete or _is_old(upload)
            ]
        for token in old:
            self.remove(token)


def _is_old(upload: _Upload) -> bool:
    limit = _KEPT_SECONDS if upload.is_complete else _STALLED_SECONDS
    return time.monotonic() - upload.used > limit


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
