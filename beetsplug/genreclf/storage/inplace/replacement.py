"""Replace a file by a changed copy, for changes too large to be made in place."""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from beetsplug.genreclf.storage.inplace.file_state import (
    FileState,
    NotWritten,
    check_unchanged,
    sync,
    sync_folder,
)
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog, remove_copy

_FICLONE = 0x40049409  # Linux: share the data of a file, on Btrfs, XFS and others
# Set by the kernel for each content or file.
_NOT_COPIED = ("security.ima", "security.evm")


def replace(
    file: io.FileIO,
    path: Path,
    seen: FileState,
    edit: Callable[[BinaryIO], object],
    redo_log: RedoLog,
) -> None:
    """Edit a copy of a file, and replace the file by it. Closes the file.

    Mode, group, ACL and extended attributes are kept; the owner too, if this process may set it.
    Raises NotWritten if one of the first four cannot be kept, FileChanged, JournalError,
    OSError, and any exception of `edit`; then the file is unchanged.
    """
    name = path.with_name(f".genreclf-{secrets.token_hex(16)}")
    id_ = redo_log.record_copy(name)
    inode = None
    try:
        with open(name, "xb+", opener=_open_private) as copy:
            inode = os.fstat(copy.fileno()).st_ino
            redo_log.set_copy_inode(id_, inode)
            _copy_content(file, copy)
            edit(copy)
            copy.flush()
            _copy_metadata(file.fileno(), copy.fileno(), name)
            sync(copy.fileno())
            written = FileState.of(copy.fileno())
        file.close()  # Windows replaces no open file
        check_unchanged(name, written)
        check_unchanged(path, seen)
        name.replace(path)
        sync_folder(path.parent)
    except BaseException:
        if inode is not None:
            with suppress(OSError):
                remove_copy(name, inode)
        if not os.path.lexists(name):
            redo_log.forget_copy(id_)
        raise
    redo_log.forget_copy(id_)


def keeps_all(file: io.FileIO) -> bool:
    """Return whether a copy could keep the owner, group, links and attributes of a file."""
    found = os.fstat(file.fileno())
    if found.st_nlink > 1 or not hasattr(os, "listxattr"):
        return False  # Python reads extended attributes on Linux only
    user = os.geteuid()
    groups = {os.getegid(), *os.getgroups()}
    return user == 0 or (found.st_uid == user and found.st_gid in groups)


def _open_private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _copy_content(file: io.FileIO, copy: BinaryIO) -> None:
    """Copy a file, sharing its data if the file system can. Raises OSError."""
    file.seek(0)
    if not (_share(file, copy) or _copy_range(file, copy)):
        file.seek(0)
        copy.seek(0)
        shutil.copyfileobj(file, copy, 1 << 20)
    copy.seek(0)


def _share(file: io.FileIO, copy: BinaryIO) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(copy.fileno(), _FICLONE, file.fileno())
    except OSError:
        return False
    return True


def _copy_range(file: io.FileIO, copy: BinaryIO) -> bool:
    if sys.platform != "linux":
        return False
    size = os.fstat(file.fileno()).st_size
    done = 0
    with suppress(OSError):
        while done < size:
            count = os.copy_file_range(file.fileno(), copy.fileno(), size - done, done, done)
            if not count:
                break
            done += count
    return done == size


def _copy_metadata(file: int, copy: int, name: Path) -> None:
    """Give a copy the group, attributes, owner and mode of a file. Raises NotWritten, OSError."""
    wanted = os.fstat(file)
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(copy, -1, wanted.st_gid)
        if os.fstat(copy).st_gid != wanted.st_gid:
            raise NotWritten(f"its group {wanted.st_gid} cannot be kept")
    if hasattr(os, "listxattr"):
        _copy_attributes(file, copy)
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(copy, wanted.st_uid, -1)
    mode = wanted.st_mode & 0o7777
    if os.fstat(copy).st_mode & 0o7777 != mode:
        with suppress(OSError):
            (os.fchmod(copy, mode) if hasattr(os, "fchmod") else name.chmod(mode))
        if os.fstat(copy).st_mode & 0o7777 != mode:
            raise NotWritten(f"its mode {mode:o} cannot be kept")


def _copy_attributes(file: int, copy: int) -> None:
    """Copy extended attributes, ACLs among them. Raises NotWritten."""
    wanted, there = _attributes(file), _attributes(copy)
    for name in wanted.keys() | there.keys():
        if wanted.get(name) == there.get(name):
            continue
        try:
            if name in wanted:
                os.setxattr(copy, name, wanted[name])
            else:  # an ACL that the folder gives to new files
                os.removexattr(copy, name)
        except OSError as exc:
            what = "ACL" if name.startswith("system.posix_acl") else f"attribute {name}"
            raise NotWritten(f"its {what} cannot be kept: {exc.strerror}") from exc


def _attributes(file: int) -> dict[str, bytes]:
    try:
        names = os.listxattr(file)
    except OSError as exc:
        if exc.errno in (errno.ENOTSUP, errno.ENOSYS):
            return {}
        raise
    return {name: os.getxattr(file, name) for name in names if name not in _NOT_COPIED}
