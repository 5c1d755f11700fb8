"""The `genreclf-cache` command: show, prune or clear the analysis cache."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from beets import ui
from beets.exceptions import UserError
from beets.util.units import human_bytes

from beetsplug.genreclf.commands import exclusive
from beetsplug.genreclf.messages import count

if TYPE_CHECKING:
    from pathlib import Path

    from beets.library import Library

    from beetsplug.genreclf.config import Config
    from beetsplug.genreclf.context import Context


class CacheOptions(Protocol):
    """The options of `beet genreclf-cache`."""

    prune: bool
    clear: bool


def command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-cache`."""
    cache = ui.Subcommand("genreclf-cache", help="show, prune or clear the analysis cache")
    cache.parser.add_option(
        "--prune",
        action="store_true",
        default=False,
        help="remove entries of deleted files and outdated models",
    )
    cache.parser.add_option(
        "--clear",
        action="store_true",
        default=False,
        help="remove all entries",
    )
    cache.func = partial(_run, context)
    return cache


def _run(context: Context, lib: Library, options: CacheOptions, query: list[str]) -> None:
    exclusive({"--prune": options.prune, "--clear": options.clear})
    if query:
        raise UserError("genreclf-cache takes no query")
    config = context.config()
    file, version = context.cache_file(config), _current_version(config)
    _manage(file, version, prune=options.prune, clear=options.clear)


def _manage(file: Path, version: str, *, prune: bool, clear: bool) -> None:
    """Clear or prune the cache, and print its statistics. Raises UserError."""
    from genremodel.batch.cache import Cache, CacheError

    cache = Cache(file, version)
    try:
        if clear:
            cache.clear()
        if prune:
            removed = cache.prune()
            ui.print_(f"removed {count(removed, 'analysis', 'analyses')}")
        now = cache.statistics()
    except CacheError as exc:
        raise UserError(f"{exc}; without it, tracks are analyzed again") from exc
    finally:
        cache.close()
    lookups = now.hits + now.misses
    ui.print_(f"{file}: {human_bytes(now.size)}")
    ui.print_(
        f"{count(now.analyses, 'analysis', 'analyses')} and {count(now.failures, 'failure')} "
        f"of {count(now.files, 'file')}"
    )
    ui.print_(f"{now.hits} of {count(lookups, 'lookup')} found ({now.hits / max(lookups, 1):.0%})")


def _current_version(config: Config) -> str:
    """Return the version of analyses to keep, or nothing to keep those of all versions."""
    from genremodel import ModelError
    from genremodel.models.musicnn import analysis_version

    if config.backend == "knn":
        return ""
    try:
        return analysis_version()
    except ModelError:
        return ""
