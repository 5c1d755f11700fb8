"""Fixtures of the tests of the bundled model."""

from __future__ import annotations

from typing import Any

import pytest

from genremodel.models import bundled as assets
from training.build import read_description


@pytest.fixture(scope="session")
def bundled() -> dict[str, Any]:
    """Return `model.json`."""
    return read_description(assets.FOLDER)
