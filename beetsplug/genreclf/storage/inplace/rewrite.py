"""Changes a file so that neither a crash nor a full disk damages it.

A small change is made in place, after a note of it; the file keeps its inode, owner, group and
links. A large one is made in a copy, which takes the place of the file.
"""

from __future__ import annotations

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

# Bytes of the pages that change. More where a copy would lose something; the note is twice as long.
_IN_PLACE = 1 << 20
_IN_PLACE_RATHER = 64 << 20


def rewrite(
    path: Path, seen: FileState, edit: Callable[[BinaryIO], object], redo_log: RedoLog
) -> None:
    """Let `edit` change a file. It gets a file object, perhaps twice, and writes to that.

    path: absolute, of the file itself rather than of a link. seen: its state when its
    content was read. To be called while holding the lock, see `Journal.lock`.

    Raises FileChanged where the file has been changed or replaced, NotWritten where its group,
    mode, links or attributes would be lost, JournalError, OSError, and any exception of `edit`.
    Then the file is unchanged.
    """
    redo_log.check(path)
    with open_regular(path) as file:
        check_unchanged(file.fileno(), seen)
        whole = replacement.keeps_all(file)
        limit = (_IN_PLACE if whole else _IN_PLACE_RATHER) if redo_log.are_kept else 0
        overlay = Overlay(file, limit)
        try:
            edit(cast(BinaryIO, overlay))
        except Exception:
            check_unchanged(
                file.fileno(), seen
            )  # half of a change by another program cannot be read
            if not overlay.full:
                raise
        if not overlay.full:
            redo_log.change(file, path, seen, overlay)
        elif (links := os.fstat(file.fileno()).st_nlink) > 1:
            raise NotWritten(
                f"it has {links} names (hard links), and the change is too large to be made in "
                "all of them safely; `beet write` can write the tags"
            )
        else:
            replacement.replace(file, path, seen, edit, redo_log)
