"""Print rich tables and texts through beets, which replaces characters the terminal lacks."""

from __future__ import annotations

from beets import ui
from rich.console import Console, RenderableType


def print_rich(*parts: RenderableType, soft_wrap: bool = False) -> None:
    """Print tables and texts below each other. soft_wrap: do not break lines to the width."""
    console = Console()
    with console.capture() as captured:
        for part in parts:
            console.print(part, soft_wrap=soft_wrap)
    ui.print_(captured.get(), end="")
