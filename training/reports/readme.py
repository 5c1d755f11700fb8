"""The accuracy section of the README: `templates/readme_accuracy.md`, filled with `model.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.reports.markdown import TEMPLATES, render, replace_section

_BEGIN = "<!-- figures, by make model -->"
_END = "<!-- end of figures -->"


def with_accuracy(readme: str, model: Mapping[str, Any]) -> str:
    """Return the README with the model's figures between its two comments."""
    section = render(TEMPLATES / "readme_accuracy.md", **model["cnn"])
    return replace_section(readme, _BEGIN, _END, section)
