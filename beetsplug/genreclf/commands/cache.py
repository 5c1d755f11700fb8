"""`beet genreclf-cache`: what is kept of the tracks that were heard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from beets import ui
from beets.exceptions import UserError
from beets.util.units import human_bytes

if TYPE_CHECKING:
    from genremodel import GenreClassifier


def tend(file: Path, classifier: GenreClassifier, *, prune: bool, clear: bool) -> None:
    """Forget files that are gone, or everything, and show what there is.

    Raises UserError when the cache cannot be read.
    """
    from genremodel.batch.cache import Cache, CacheError

    cache = Cache(file, "" if classifier.fallback_reason else classifier.analysis_version)
    try:
        if clear:
            cache.clear()
        if prune:
            ui.print_(f"{cache.prune()} analyses forgotten")
        now = cache.statistics()
    except CacheError as exc:
        raise UserError(f"{exc}; without it, tracks are analyzed again") from exc
    finally:
        cache.close()
    asked = now.hits + now.misses
    ui.print_(f"{file}: {human_bytes(now.size)}")
    ui.print_(f"{now.analyses} analyses, {now.failures} failures, of {now.files} files")
    ui.print_(f"{now.hits} of {asked} found ({now.hits / max(asked, 1):.0%})")
