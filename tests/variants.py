"""Tests that only `--full-matrix` runs.

A variant repeats a story for one more format, locale, start method, network or document. Each story
keeps its most revealing variant in the default run, and each format and code path of the product
keeps a test there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest

variant = pytest.mark.variant


def variants(values: Iterable[Any], *, default: Collection[Any]) -> list[Any]:
    """Return the values of a parameter; those that are not in `default` are variants."""
    return [value if value in default else pytest.param(value, marks=variant) for value in values]
