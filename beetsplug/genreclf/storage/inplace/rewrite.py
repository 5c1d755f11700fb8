"""Changes a file so that neither a crash nor a full disk damages it.

A small change is made in place, after a note of it; the file keeps its inode, owner, group and
links. A large one is made in a copy, which takes the place of the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from beetsplug.genreclf.storage.inplace import copies
from beetsplug.genreclf.storage.inplace.draft import Draft
from beetsplug.genreclf.storage.inplace.notes import Notes
from beetsplug.genreclf.storage.inplace.state import NotWritten, State, check, open_regular

# Bytes of the pages that change. More where a copy would lose something; the note is twice as long.
_IN_PLACE = 1 << 20
_IN_PLACE_RATHER = 64 << 20


def rewrite(path: Path, seen: State, edit: Callable[[BinaryIO], object], notes: Notes) -> None:
    """Let `edit` change a file. It gets a file object, perhaps twice, and writes to that.

    path: absolute, of the file itself rather than of a link. seen: its state when its
    content was read. To be called while holding the lock, see `Journal.alone`.

    Raises FileChanged where the file has been changed or replaced, NotWritten where its group,
    mode, links or attributes would be lost, JournalError, OSError, and any exception of `edit`.
    Then the file is unchanged.
    """
    notes.check(path)
    with open_regular(path) as file:
        check(file.fileno(), seen)
        whole = copies.keeps_all(file)
        limit = (_IN_PLACE if whole else _IN_PLACE_RATHER) if notes.are_kept else 0
        draft = Draft(file, limit)
        try:
            edit(cast(BinaryIO, draft))
        except Exception:
            check(file.fileno(), seen)  # half of a change by another program cannot be read
            if not draft.full:
                raise
        if not draft.full:
            notes.change(file, path, seen, draft)
        elif (links := os.fstat(file.fileno()).st_nlink) > 1:
            raise NotWritten(
                f"it has {links} names (hard links), and the change is too large to be made in "
                "all of them safely; `beet write` can write the tags"
            )
        else:
            copies.replace(file, path, seen, edit, notes)
