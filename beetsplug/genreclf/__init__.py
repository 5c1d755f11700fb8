"""Classify tracks by genre from their audio, on import and by `beet genreclf`.

Wiring only: what beets calls. `genremodel` is imported when the first track is classified, because
every `beet` command pays for what a plugin imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from beets.library import Item
from beets.plugins import BeetsPlugin
from mediafile import MediaFile

from beetsplug.genreclf import fields, file_listeners, queries
from beetsplug.genreclf.commands import cache, classify, explain, similar, train, undo
from beetsplug.genreclf.commands import web as web_command  # not the package `web`
from beetsplug.genreclf.compat import PATCHES, apply_patches
from beetsplug.genreclf.config import is_auto
from beetsplug.genreclf.context import Context
from beetsplug.genreclf.import_stage import ImportListeners
from beetsplug.genreclf.sources import add_sources
from beetsplug.genreclf.storage.paths import MODELS_SUFFIX, library_file

if TYPE_CHECKING:
    from beets.dbcore.types import Type
    from beets.ui import Subcommand


class GenreClfPlugin(BeetsPlugin):
    """The import stage, the commands, and the fields that they set."""

    item_types: ClassVar[dict[str, Type[Any, Any]]] = fields.ITEM_TYPES
    album_types: ClassVar[dict[str, Type[Any, Any]]] = fields.ALBUM_TYPES
    item_queries: ClassVar[dict[str, Any]] = queries.ITEM_QUERIES
    album_queries: ClassVar[dict[str, Any]] = queries.ALBUM_QUERIES

    def __init__(self) -> None:
        super().__init__()
        apply_patches(PATCHES, self._log)
        self._add_media_fields()
        self.register_listener("pluginload", self._add_sources)
        self.template_fields.update(fields.album_getters())
        self.context = Context(self.config, self._log, self.register_listener)
        imports = ImportListeners(self.context)
        if is_auto(self.context.options):
            self.early_import_stages = [imports.added]
            self.import_stages = [imports.imported]
        self.register_listener("import_begin", imports.begin)
        self.register_listener("import_task_files", imports.files_placed)
        self.register_listener("import", imports.end)
        files = file_listeners.FileListeners(self.context, imports)
        self.register_listener("library_opened", files.recover)
        self.register_listener("write", files.written)
        self.register_listener("item_moved", files.moved)
        self.register_listener("item_copied", files.moved)
        self.register_listener("item_linked", files.moved)
        self.register_listener("item_hardlinked", files.moved)
        self.register_listener("item_reflinked", files.moved)

    def commands(self) -> list[Subcommand]:
        """Return `beet genreclf` and its companions."""
        modules = (classify, train, similar, explain, undo, cache, web_command)
        return [module.command(self.context) for module in modules]

    def _add_sources(self) -> None:
        """Add the fields that models of the library predict, now that all plugins are loaded."""
        library = self.config.root()["library"].as_filename()
        add_sources(library_file(library, MODELS_SUFFIX), self._log)
        self.item_queries.update(queries.item_queries(fields.ITEM_TYPES))
        self._add_media_fields()

    def _add_media_fields(self) -> None:
        for name, field in fields.MEDIA_FIELDS.items():
            if name in vars(MediaFile):  # added by another instance in this process
                Item._media_fields.add(name)
            else:
                self.add_media_field(name, field)
