"""The fields that models in the folder of a library predict, as beets starts.

Their names are those of the files, so that no model is opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from logging import Logger
from pathlib import Path
from types import NoneType
from typing import Any

from beets.dbcore import types
from beets.library import Item
from beets.plugins import find_plugins
from mediafile import MediaFile

from beetsplug.genreclf.fields import SOURCES, FieldSet, OptionalField, add_source, objection

_PLUGIN = "genreclf"
_FILE = re.compile(r"[\w-]{1,60}\.(?!genres\.)([a-z0-9_]{1,40})\.json")  # as in `ModelStore`


def add_sources(folder: Path, log: Logger) -> None:
    """Add the fields of the models in a folder; leave those of other plugins to them."""
    for source in sorted(_sources(folder)):
        if problem := why_not(source):
            log.warning("models of the field {} cannot be used: {}", source, problem)
        else:
            add_source(source)


def why_not(source: str) -> str | None:
    """Return why the models of a field cannot be used, None if they can."""
    if problem := objection(source):
        return problem
    if source in SOURCES:
        return None
    names = FieldSet.of(source).names
    return next((problem for name in names for problem in _owners(name)), None)


def why_not_reviewed(source: str) -> str | None:
    """Return why decisions cannot set a field that models predict, None if they can."""
    if problem := why_not(source):
        return problem
    if source not in SOURCES:
        return "there is no model of this field"
    if source in Item._fields or source in MediaFile.fields():
        return "beets writes it to files; set it by `beet modify`"
    is_text = isinstance(Item._type(source), (types.Default, types.String))
    return None if is_text else "its values are not text"


def _sources(folder: Path) -> set[str]:
    found = set[str]()
    with suppress(OSError):  # reported by the commands that load models
        found = {match[1] for file in folder.iterdir() if (match := _FILE.fullmatch(file.name))}
    return found


def _owners(name: str) -> Iterator[str]:
    """Yield who else has a field of a name."""
    for plugin in find_plugins():
        defined: list[Any] = [plugin.template_fields]
        defined += (getattr(plugin, types, {}) for types in ("item_types", "album_types"))
        if plugin.name != _PLUGIN and any(name in each for each in defined):
            yield f"the plugin {plugin.name} has the field {name}"
    if name in Item._fields:
        yield f"beets has the field {name}"
    if not isinstance(vars(MediaFile).get(name), (OptionalField, NoneType)):
        yield f"another plugin has the tag {name}"
