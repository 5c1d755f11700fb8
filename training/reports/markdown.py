"""Markdown documents from templates and figures.

A template is a Markdown file whose `{placeholders}` are filled by `str.format`, so numbers are
formatted where they stand: `{songs[accuracy]:.0%}`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"

_WIDTH = 100
_VERBATIM = ("|", "#", "!", "<", "```")  # first characters of blocks that are not wrapped


def render(template: Path, **values: object) -> str:
    """Fill a template and wrap its paragraphs and lists."""
    text = template.read_text(encoding="utf-8").format(**values)
    return "\n\n".join(_wrap(block) for block in text.strip().split("\n\n")) + "\n"


def rows(cells: Iterable[Iterable[object]]) -> str:
    """Return the rows of a table, for a template that holds its header."""
    lines = (f"| {' | '.join(map(str, row))} |" for row in cells)
    return "\n".join(lines) or "| not measured |"


def enumerate_items(items: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return ", ".join(items[:-1]) + " and " + items[-1] if len(items) > 1 else items[0]


def number(value: float | None, form: str = ".3f") -> str:
    """Return a formatted number, or `-` if there is none."""
    return "-" if value is None else format(value, form)


def with_interval(figures: Mapping[str, Any], name: str) -> str:
    """Return a figure and its confidence interval, or `-` if there is none."""
    value, interval = figures[name], figures["intervals"][name]
    return "-" if value is None else f"{value:.3f} ({interval[0]:.2f}-{interval[1]:.2f})"


def replace_section(text: str, begin: str, end: str, content: str) -> str:
    """Replace the lines between two comments, which stay.

    Raises ValueError if `text` lacks either.
    """
    before, found_begin, rest = text.partition(f"{begin}\n")
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"no section between {begin} and {end}")
    return f"{before}{begin}\n{content}{end}{after}"


def _wrap(block: str) -> str:
    if block.startswith(_VERBATIM):
        return block
    if block.startswith("- "):
        return "\n".join(_fill(item, "- ", "  ") for item in block[2:].split("\n- "))
    return _fill(block)


def _fill(text: str, first: str = "", others: str = "") -> str:
    return textwrap.fill(
        " ".join(text.split()),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
