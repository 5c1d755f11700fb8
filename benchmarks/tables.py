"""Tables of measurements, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def section(title: str, note: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a heading, a paragraph and a table under it."""
    lines = [head, ["---"] * len(head), *rows]
    return f"## {title}\n\n{note}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
