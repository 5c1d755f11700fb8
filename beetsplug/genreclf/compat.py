"""Patches of beets, for libraries whose tracks have genres and styles of their own.

Each is limited to the versions of beets that need it and to the fields that need it. Where the
function has other parameters than expected, the patch is left out, with one warning.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from functools import wraps
from logging import Logger
from typing import Any, NamedTuple

import beets
from beets.dbcore import Model
from beets.dbcore.db import FormattedMapping
from beets.library import Album, Item
from beets.util import diff
from beets.util.color import colorize

from beetsplug.genreclf.fields import ALBUM_NAMES, ALBUM_TYPES, GENRES, STYLES

_MARK = "_patched_by_genreclf"


class Patch(NamedTuple):
    """A function of beets and its replacement.

    owner, name: where the function is. parameters: their names, on which the replacement relies.
    fixed_in: the first version of beets that does not need it, if there is one. effect: of leaving
    it out. replace: makes the replacement of the function that it is given.
    """

    owner: Any
    name: str
    parameters: tuple[str, ...]
    fixed_in: tuple[int, int] | None
    effect: str
    replace: Callable[[Callable[..., Any]], Callable[..., Any]]


def apply_patches(patches: Iterable[Patch], log: Logger) -> None:
    """Apply the patches that this version of beets needs, each once in a process."""
    version = tuple(map(int, re.findall("[0-9]+", beets.__version__)[:2]))
    for patch in patches:
        original = getattr(patch.owner, patch.name, None)
        if patch.fixed_in and version >= patch.fixed_in:
            continue
        if hasattr(original, _MARK) or patch in _left_out:
            continue
        if original and tuple(inspect.signature(original).parameters) == patch.parameters:
            replacement = wraps(original)(patch.replace(original))
            setattr(replacement, _MARK, True)
            setattr(patch.owner, patch.name, replacement)
        else:
            _left_out.append(patch)
            log.warning(
                "unexpected {} in beets {}: {}", patch.name, beets.__version__, patch.effect
            )


_left_out: list[Patch] = []


def _patch_album_store(store: Callable[..., None]) -> Callable[..., None]:
    """Store the genres of one track, and the plugin's fields, without handing them down to tracks.

    beets hands down whatever has changed in an album. `beet update`, mbsync and bpsync have copied
    the genres of one track to it. The plugin's fields of albums are computed fields of tracks:
    copies would never be seen, and beets cannot delete what it takes for a copy.
    """

    def store_apart(self: Album, fields: Iterable[str] | None = None, inherit: bool = True) -> None:
        apart = self._dirty & ALBUM_TYPES.keys() if inherit else set[str]()
        if inherit and self._dirty >= Album.item_keys:  # all that a track has
            apart.add(GENRES)
        if not apart:
            store(self, fields, inherit)
            return
        others = self._dirty - apart
        with self.db.transaction():
            self._dirty &= apart
            Model.store(self, fields)  # sends no event: the other half does
            self._dirty |= others
            store(self, fields, inherit)

    return store_apart


def _patch_item_store(store: Callable[..., None]) -> Callable[..., None]:
    """Let `beet update` store media fields that have no column in the database."""

    def store_columns(self: Item, fields: Iterable[str] | None = None) -> None:
        # Flexible fields are stored whether or not they are named.
        store(self, None if fields is None else [name for name in fields if name in Item._fields])

    return store_columns


def _patch_list_diff(field_diff: Callable[..., str | None]) -> Callable[..., str | None]:
    """Show that a track has no styles any more. beets expects that a list is never absent."""

    def field_diff_or_lost(field: str, old: FormattedMapping, new: FormattedMapping) -> str | None:
        is_lost = old.model.get(field) and new.model.get(field) is None
        if is_lost and field in (STYLES, ALBUM_NAMES[STYLES]):
            return colorize("text_diff_removed", f"{field}: {old.get(field)}")
        return field_diff(field, old, new)

    return field_diff_or_lost


PATCHES = (
    Patch(
        Album,
        "store",
        ("self", "fields", "inherit"),
        None,
        "`beet update` gives all tracks of an album the genres of one, and tracks get "
        "copies of the fields of their album",
        _patch_album_store,
    ),
    Patch(
        Item,
        "store",
        ("self", "fields"),
        (2, 14),
        "`beet update` stops where the tags of a prediction have changed",
        _patch_item_store,
    ),
    Patch(
        diff,
        "_field_diff",
        ("field", "old", "new"),
        None,
        f"`beet modify {STYLES}!` stops, and so does `beet update` where a file has lost the tag",
        _patch_list_diff,
    ),
)
