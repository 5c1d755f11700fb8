"""Chromium for tests, benchmarks and pictures: `chromium` of the path, or CHROMIUM."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright


def find() -> str | None:
    """Return the program, or None if it is not installed."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


def launch(playwright: Playwright, *flags: str) -> Browser:
    """Start the program."""
    if os.name == "posix" and os.geteuid() == 0:
        flags = (*flags, "--no-sandbox")
    return playwright.chromium.launch(executable_path=find(), args=[*flags])
