"""The `genreclf-cache` command: show, prune, clear or merge analysis caches."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from beets import ui
from beets.exceptions import UserError
from beets.util.units import human_bytes

from beetsplug.genreclf.commands import exclusive, user_errors
from beetsplug.genreclf.messages import count

if TYPE_CHECKING:
    from beets.library import Library

    from beetsplug.genreclf.config import Config
    from beetsplug.genreclf.context import Context
    from genremodel.batch.cache import Cache


class CacheOptions(Protocol):
    """The options of `beet genreclf-cache`."""

    prune: bool
    clear: bool
    merge: str | None


def command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-cache`."""
    cache = ui.Subcommand("genreclf-cache", help="show, prune, clear or merge analysis caches")
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
    cache.parser.add_option(
        "--merge",
        default=None,
        metavar="FILE",
        help="add the analyses in another cache",
    )
    cache.func = partial(_run, context)
    return cache


def _run(context: Context, lib: Library, options: CacheOptions, query: list[str]) -> None:
    merges = options.merge is not None
    exclusive({"--prune": options.prune, "--clear": options.clear, "--merge": merges})
    if query:
        raise UserError("genreclf-cache takes no query")
    from genremodel.batch.cache import Cache, CacheError

    config = context.config()
    cache = Cache(context.cache_file(config), _version(config, needed=merges))
    try:
        with user_errors(), cache:
            if options.merge is not None:
                _merge(cache, Path(options.merge))
            if options.clear:
                cache.clear()
            if options.prune:
                removed = cache.prune()
                ui.print_(f"removed {count(removed, 'analysis', 'analyses')}")
            _print_statistics(cache)
    except CacheError as exc:
        without = "" if merges else "; without it, tracks are analyzed again"
        raise UserError(f"{exc}{without}") from exc


def _merge(cache: Cache, file: Path) -> None:
    """Merge another cache, and print the numbers of its entries. Raises CacheError."""
    from genremodel.batch.cache_merge import merge

    merged = merge(cache, file)
    ui.print_(
        f"{count(merged.added, 'entry', 'entries')} added, {merged.known} known, "
        f"{merged.skipped} of other versions skipped, 0 refused"
    )


def _print_statistics(cache: Cache) -> None:
    now = cache.statistics()
    lookups = now.hits + now.misses
    ui.print_(f"{cache.path}: {human_bytes(now.size)}")
    ui.print_(
        f"{count(now.analyses, 'analysis', 'analyses')} and {count(now.failures, 'failure')} "
        f"of {count(now.files, 'file')}"
    )
    ui.print_(f"{now.hits} of {count(lookups, 'lookup')} found ({now.hits / max(lookups, 1):.0%})")


def _version(config: Config, *, needed: bool) -> str:
    """Return the version of analyses by the CNN, or nothing for all versions.

    needed: whether there must be one. Raises UserError if it is unknown then.
    """
    from genremodel import ModelError
    from genremodel.models.musicnn import analysis_version

    if config.backend == "knn" and not needed:
        return ""
    try:
        return analysis_version()
    except ModelError as exc:
        if needed:
            raise UserError(str(exc)) from exc
        return ""
