"""Pictures and playable copies of audio files, made by worker processes and kept for a while."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from beetsplug.genreclf.web.errors import Busy, Gone, Undecodable
from genremodel.audio.media_type import media_type
from genremodel.audio.spectrogram_image import spectrogram_image
from genremodel.audio.transcode import transcode
from genremodel.errors import AudioError

if TYPE_CHECKING:
    from genremodel.audio.spectrogram_image import SpectrogramImage
    from genremodel.batch.pool import Pool

_MAX_BYTES = 1 << 30  # of copies
_MAX_TRANSCODINGS = 2  # at once
_KEPT = 200  # pictures and types
_LOCKS = 64
_MISSING = "the file is missing or cannot be read"
T = TypeVar("T")


class MediaFiles:
    """Makes and keeps what the player of the page needs. Raises Gone, Undecodable and Busy.

    folder: private, for the copies.
    """

    def __init__(self, pool: Pool, folder: Path) -> None:
        self._pool = pool
        self._folder = folder
        self._pictures = _Recent()
        self._types = _Recent()
        self._transcodings = threading.Semaphore(_MAX_TRANSCODINGS)
        # Two requests must not make a copy twice: each has one of these, by its key.
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._removing = threading.Lock()

    def spectrogram(self, path: Path) -> SpectrogramImage:
        """Return the spectrogram of a file."""
        make = lambda: self._run(spectrogram_image, path)  # noqa: E731
        return self._pictures.get(_key(path), make)

    def media_type(self, path: Path) -> str | None:
        """Return the type of a file that browsers may play, None if they need a copy."""
        return self._types.get(_key(path), lambda: self._run(media_type, path))

    def wav(self, path: Path) -> Path:
        """Return a copy of a file that browsers play."""
        key = _key(path)
        target = self._folder / f"{key}.wav"
        with self._locks[int(key, 16) % _LOCKS]:
            if target.exists():
                with suppress(OSError):
                    target.touch()  # the oldest are removed first
                return target
            if not self._transcodings.acquire(blocking=False):
                raise Busy("other tracks are being prepared for playing")
            try:
                self._run(transcode, path, target)
            except Undecodable:
                target.with_name(f"{target.name}.part").unlink(missing_ok=True)
                raise
            finally:
                self._transcodings.release()
        if not path.exists():
            target.unlink(missing_ok=True)
            raise Gone(_MISSING)
        self._remove_oldest(target)
        return target

    def remove(self, path: Path) -> None:
        """Remove a file, and then its copy: one that is being made is removed by `wav`."""
        with suppress(Gone):
            copy = self._folder / f"{_key(path)}.wav"
            path.unlink(missing_ok=True)
            copy.unlink(missing_ok=True)

    def _run(self, function: Callable[..., T], *arguments: Any) -> T:
        try:
            return self._pool.run(function, *arguments).result()
        except AudioError as exc:
            raise Undecodable(f"cannot be decoded: {exc}") from exc

    def _remove_oldest(self, newest: Path) -> None:
        """Keep the copies below their limit. An open file can be read on after its removal."""
        with self._removing, suppress(OSError):
            files = sorted(self._folder.glob("*.wav"), key=lambda file: -file.stat().st_mtime_ns)
            total = newest.stat().st_size
            for file in files:
                if file != newest:
                    total += file.stat().st_size
                    if total > _MAX_BYTES:
                        file.unlink(missing_ok=True)


class _Recent:
    """The values that were used most recently."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, Any] = OrderedDict()
        self._mutex = threading.Lock()

    def get(self, key: str, make: Callable[[], T]) -> T:
        with self._mutex:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._mutex:
            self._values[key] = value
            if len(self._values) > _KEPT:
                self._values.popitem(last=False)
        return value


def _key(path: Path) -> str:
    """Return a name of a file in its present state. Raises Gone."""
    try:
        state = path.stat()
    except OSError as exc:
        raise Gone(_MISSING) from exc
    text = f"{state.st_dev} {state.st_ino} {state.st_size} {state.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
