"""Write files atomically, and never over a file of another kind."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_HEADER_SIZE = 1024  # bytes that identify the kind of a file


class OutputError(Exception):
    """A file cannot be written. The message has its name and the reason."""


@dataclass(frozen=True)
class OutputFile:
    """An output file chosen by the user. It only replaces files of the same kind.

    kind: for messages, such as "a playlist". is_own: whether a file that starts with these bytes is
    of this kind. suffix: the required suffix of the name, or "".
    """

    file: Path
    kind: str
    is_own: Callable[[bytes], bool]
    suffix: str = ""

    def check(self) -> None:
        """Raise OutputError if the file must not or cannot be written."""
        if self.suffix and self.file.suffix.lower() != self.suffix:
            raise OutputError(f"{self.file}: the name must end with {self.suffix}")
        self._existing()
        folder = self.file.parent
        if not folder.is_dir():
            raise OutputError(f"{self.file}: there is no folder {folder}")
        if not os.access(folder, os.W_OK):
            raise OutputError(f"{folder}: {os.strerror(errno.EACCES)}")

    def write(self, content: bytes) -> None:
        """Write the file. Raises OutputError; an existing file is then unchanged."""
        before = self._existing()
        claimed = False

        def claim() -> None:
            nonlocal claimed
            if self._existing() != before:
                raise OutputError(f"{self.file}: another program has written it in the meantime")
            if before is None:
                with self.file.open("xb"):  # fails if the file exists by now
                    claimed = True

        try:
            replace_atomically(self.file, content, claim)
        except BaseException as exc:
            if claimed:
                self.file.unlink(missing_ok=True)
            if isinstance(exc, OSError):
                raise OutputError(f"{self.file}: {exc.strerror}") from exc
            raise

    def _existing(self) -> tuple[int, int, int, int] | None:
        """Return the identity of the existing file, or None. Raises OutputError if it must stay."""
        try:
            status = self.file.lstat()
            if not stat.S_ISREG(status.st_mode):
                raise OutputError(f"{self.file}: exists and is {_kind(status.st_mode)}")
            with self.file.open("rb") as existing:
                if not self.is_own(existing.read(_HEADER_SIZE)):
                    raise OutputError(
                        f"{self.file}: exists and is not {self.kind}; choose another name"
                    )
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:  # ValueError: a name with a zero byte
            raise OutputError(f"{self.file}: {getattr(exc, 'strerror', exc)}") from exc
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def replace_atomically(
    file: Path, content: bytes, before_replacing: Callable[[], None] = lambda: None
) -> None:
    """Replace a file by way of a temporary one in the same folder, or create it. Raises OSError.

    A symbolic link is replaced, too, not followed. The permissions of an existing file are kept.
    before_replacing: called immediately before; may raise an exception to prevent it.
    """
    temporary = file.with_name(f".{secrets.token_hex(8)}.tmp")
    with temporary.open("xb") as written:  # fails if it exists, even as a link
        try:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        except BaseException:
            written.close()
            temporary.unlink()
            raise
    try:
        if (mode := _mode(file)) is not None:
            temporary.chmod(mode)
        before_replacing()
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _mode(file: Path) -> int | None:
    """Return the permissions of an existing regular file."""
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError:
        return None
    return stat.S_IMODE(mode) if stat.S_ISREG(mode) else None


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a device or a pipe"
