"""Print through beets, which replaces characters that the terminal lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from beets import ui
from beets.library import Album, Item

from beetsplug.genreclf.fields import JOURNAL_ID, MANAGED_FIELDS
from beetsplug.genreclf.storage.objects import get_values, stored_name

if TYPE_CHECKING:
    from rich.console import RenderableType


def print_rich(*parts: RenderableType, soft_wrap: bool = False) -> None:
    """Print tables and texts below each other. soft_wrap: do not break lines to the width."""
    from rich.console import Console  # slow to import

    console = Console()
    with console.capture() as captured:
        for part in parts:
            console.print(part, soft_wrap=soft_wrap)
    ui.print_(captured.get(), end="")


def show_changes(old: Item | Album, new: Item | Album, names: Sequence[str] | None = None) -> None:
    """Print how the fields of a track or an album change, as beets does.

    names: as for `get_values`.
    """
    before, after = get_values(old, names), get_values(new, names)
    shown = [
        stored_name(new, name)
        for name in names or MANAGED_FIELDS
        if name != JOURNAL_ID and (before.get(name) or after.get(name))
    ]
    ui.show_model_changes(new, old, shown or [stored_name(new, JOURNAL_ID)])
