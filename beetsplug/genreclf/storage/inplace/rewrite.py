"""Change a file so that neither a crash nor a full disk damages it.

A small change is recorded in the redo log and applied in place; the file keeps its inode, owner,
group and links. A large one is made in a copy, which replaces the file.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from beetsplug.genreclf.storage.inplace import replacement
from beetsplug.genreclf.storage.inplace.file_state import (
    FileState,
    NotWritten,
    check_unchanged,
    open_regular,
)
from beetsplug.genreclf.storage.inplace.overlay import Overlay
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog

# Bytes of changed pages; a record in the redo log is twice as long.
MAX_IN_PLACE = 1 << 20
MAX_IN_PLACE_IF_LOSSY = 64 << 20


def rewrite(
    path: Path, seen: FileState, edit: Callable[[BinaryIO], object], redo_log: RedoLog
) -> None:
    """Let `edit` change a file. It is called with a file object to write to, perhaps twice.

    path: absolute, of the file itself rather than of a link. seen: its state when its
    content was read. Needs the lock, see `Journal.lock`.

    Raises FileChanged where the file has been changed or replaced, NotWritten where its group,
    mode, links or attributes would be lost, JournalError, OSError, and any exception of `edit`.
    Then the file is unchanged.
    """
    redo_log.check_finished(path)
    with open_regular(path) as file:
        check_unchanged(file.fileno(), seen)
        overlay = Overlay(file, _limit(file, redo_log))
        try:
            edit(cast(BinaryIO, overlay))
        except Exception:
            check_unchanged(
                file.fileno(), seen
            )  # half of a change by another program cannot be read
            if not overlay.full:
                raise
        if not overlay.full:
            redo_log.apply(file, path, seen, overlay)
        elif (links := os.fstat(file.fileno()).st_nlink) > 1:
            raise NotWritten(
                f"it has {links} names (hard links), and the change is too large to be made in "
                "all of them safely; `beet write` can write the tags"
            )
        else:
            replacement.replace(file, path, seen, edit, redo_log)


def _limit(file: io.FileIO, redo_log: RedoLog) -> int:
    """Return the limit of changes in place; it is higher if a copy would lose something."""
    if not redo_log.is_durable:
        return 0
    return MAX_IN_PLACE if replacement.keeps_all(file) else MAX_IN_PLACE_IF_LOSSY
