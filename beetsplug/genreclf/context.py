"""What the commands need of the plugin."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from logging import Logger
from typing import Any

from beets.library import Library

from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_writer import TagWriter


@dataclass(frozen=True)
class Context:
    """The parts of the plugin that commands share."""

    log: Logger
    tag_writer: TagWriter
    journal: Callable[[Library], Journal]
    clear_marker_at_exit: Callable[[], None]
    predictor: Callable[..., AbstractContextManager[Any]]
    cnn_predictor: Callable[[Library], AbstractContextManager[Any]]
    fail: Callable[[str], None]
    options: Callable[[], Any]
    writes: Callable[[], bool]
