"""Fixtures of the tests of undo, and of those that write tags without beets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mediafile import MediaFile

from beetsplug.genreclf.fields import MEDIA_FIELDS
from beetsplug.genreclf.storage.inplace import rewrite
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_file import TagFile
from tests.conftest import Beets

JAZZ = {"genres": ["jazz"], "predicted_genre": "jazz", "predicted_styles": ["folk", "soul"]}


@pytest.fixture
def library(beets: Beets) -> Beets:
    """Return an empty library in which every track of music is to get a genre."""
    beets.settings["genreclf"] = {
        "auto": False, "write": True, "policy": "replace", "min_confidence": 0, "threads": 1,
    }  # fmt: skip
    return beets


@pytest.fixture
def media_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MediaFile know the plugin's tags, as beets does when it loads the plugin."""
    for name, field in MEDIA_FIELDS.items():
        monkeypatch.setattr(MediaFile, name, field, raising=False)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.for_library(tmp_path / "library.db")
    yield journal
    journal.close()


@pytest.fixture
def by_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no change be small enough to be made in place."""
    monkeypatch.setattr(rewrite, "MAX_IN_PLACE", 0)
    monkeypatch.setattr(rewrite, "MAX_IN_PLACE_IF_LOSSY", 0)


def tag(path: Path, journal: Journal, values: dict[str, Any]) -> None:
    """Write tags as the plugin does."""
    file = TagFile(path)
    file.set(values)
    file.save(RedoLog(journal), id3v23=False)
