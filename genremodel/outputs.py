"""Write files completely or not at all, and never over a file of another kind."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BEGINNING = 1024  # bytes that show what a file is


class OutputError(Exception):
    """A file cannot be written; the message has its name and the reason."""


@dataclass(frozen=True)
class Output:
    """An output file chosen by the user, which replaces nothing but a file of the same kind.

    kind: for messages, such as "a playlist". is_own: whether a file with these first bytes is of
    this kind. suffix: that the name must have, if any.
    """

    file: Path
    kind: str
    is_own: Callable[[bytes], bool]
    suffix: str = ""

    def check(self) -> None:
        """Raise OutputError where it must not or cannot be written."""
        if self.suffix and self.file.suffix.lower() != self.suffix:
            raise OutputError(f"{self.file}: the name must end with {self.suffix}")
        self._existing()
        folder = self.file.parent
        if not folder.is_dir():
            raise OutputError(f"{self.file}: there is no folder {folder}")
        if not os.access(folder, os.W_OK):
            raise OutputError(f"{folder}: {os.strerror(errno.EACCES)}")

    def write(self, content: bytes) -> None:
        """Write the file. Raises OutputError, and then an existing file is unchanged."""
        before = self._existing()
        claimed = False

        def claim() -> None:
            nonlocal claimed
            if self._existing() != before:
                raise OutputError(f"{self.file}: another program has just written it")
            if before is None:
                with self.file.open("xb"):  # fails where there is a file by now
                    claimed = True

        try:
            replace_file(self.file, content, claim)
        except BaseException as exc:
            if claimed:
                self.file.unlink(missing_ok=True)
            if isinstance(exc, OSError):
                raise OutputError(f"{self.file}: {exc.strerror}") from exc
            raise

    def _existing(self) -> tuple[int, int, int, int] | None:
        """Return what identifies the existing file, or None. Raises OutputError if it must stay."""
        try:
            status = self.file.lstat()
            if not stat.S_ISREG(status.st_mode):
                raise OutputError(f"{self.file}: exists and is {_kind(status.st_mode)}")
            with self.file.open("rb") as existing:
                if not self.is_own(existing.read(_BEGINNING)):
                    raise OutputError(
                        f"{self.file}: exists and is not {self.kind}; choose another name"
                    )
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:  # ValueError: a name with a zero byte
            raise OutputError(f"{self.file}: {getattr(exc, 'strerror', exc)}") from exc
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def replace_file(
    file: Path, content: bytes, before_replacing: Callable[[], None] = lambda: None
) -> None:
    """Write a file through a temporary one in the same folder. Raises OSError.

    An existing file is replaced, whatever its kind; a symbolic link is not followed.
    before_replacing: called last before that; may raise to prevent it.
    """
    temporary = file.with_name(f".{secrets.token_hex(8)}.tmp")
    with temporary.open("xb") as written:  # follows no link, and takes no file that is there
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
