"""Warn of other sources of genres that run after this plugin during an import."""

from __future__ import annotations

from beets import config
from beets.plugins import find_plugins

_NAME = "genreclf"
_SOURCES = ("autogenre", "lastgenre", "xtractor")


def order_warning(policy: str) -> str | None:
    """Return a warning if other plugins set genres after this one, which names the right order.

    beets runs the import stages of plugins in the order in which they are listed. lastgenre keeps
    genres that it finds, without looking up its own, or with `force` it replaces them.
    """
    names = [plugin.name for plugin in find_plugins()]
    after = names[names.index(_NAME) + 1 :] if _NAME in names else []
    later = [name for name in after if name in _SOURCES and _is_auto(name)]
    if not later or policy == "never":
        return None
    others = " and ".join(later)
    return (
        f"imports run {_NAME} before {others}: genres that {_NAME} sets prevent a lookup there, or "
        f"are replaced; list {_NAME} after {others} in `plugins`"
    )


def _is_auto(name: str) -> bool:
    auto = config[name]["auto"]
    return auto.exists() and bool(auto.get())
