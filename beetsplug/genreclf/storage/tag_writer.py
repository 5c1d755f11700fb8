"""Save the plugin's tags like `Item.write`, with the events that other plugins listen to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from beets import config, plugins
from beets.library import Item
from beets.library.exceptions import FileOperationError

from beetsplug.genreclf.fields import TAG_NAMES
from beetsplug.genreclf.storage.inplace.file_state import NotWritten
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.tag_file import TagFile
from beetsplug.genreclf.storage.value_comparison import Values, same


class TagWriter:
    """Saves tags; sends `write` before and `after_write` afterwards, see `handlers.reentrant`."""

    # Of all instances of the plugin. Import stages run in threads of their own.
    _thread = threading.local()

    @property
    def is_sending(self) -> bool:
        """Whether this thread is handling an event that the plugin has sent."""
        return getattr(self._thread, "sending", False)

    def save(
        self,
        file: TagFile,
        item: Item,
        redo_log: RedoLog,
        record: Callable[[Values, Values], None],
    ) -> tuple[Values, Values]:
        """Save the tags that were set on a file; return the old and new values of changed tags.

        Listeners get all media fields of the item, and may change the values of `genres` and of the
        plugin's own fields; changes to other tags are left to beets' writes. If nothing changes,
        no event is sent and nothing is saved.
        record: called with the old and new values before the file is changed.

        Raises NotWritten, mediafile.UnreadableFileError, OSError and any exception of `record`;
        then the file is unchanged.
        """
        id3v23 = config["id3v23"].get(bool)
        changes = file.changes(id3v23=id3v23)
        if any(changes):
            ours = file.values()
            tags = {name: item[name] for name in item.keys() & Item._media_fields} | ours
            self._send("write", item=item, path=item.path, tags=tags)
            if any(name not in tags or not same(tags[name], ours[name]) for name in TAG_NAMES):
                for name in TAG_NAMES:
                    if name in tags:
                        self._take(file, item, name, tags[name])
                    else:
                        file.revert(name)
                changes = file.changes(id3v23=id3v23)
        if any(changes):
            record(*changes)
            file.save(redo_log, id3v23=id3v23)
        return changes

    def _take(self, file: TagFile, item: Item, name: str, value: Any) -> None:
        """Set a tag to the value from the listeners. Raises NotWritten if that is invalid."""
        try:
            file.set({name: item._type(name).normalize(value)})
        except Exception as exc:  # of beets, mediafile or mutagen, which expect other types
            problem = f"another plugin set `{name}` to an invalid value: {value!r}"
            raise NotWritten(problem) from exc

    def saved(self, item: Item, *, synced: bool) -> None:
        """Send `after_write`. Listeners may change the item, which must be stored afterwards.

        synced: the database had read the file, so its mtime is updated and beets does not read the
        file again. Raises NotWritten if a listener fails, although the file is saved.
        """
        if synced:
            item.mtime = item.current_mtime()
        self._send("after_write", item=item, path=item.path)

    def _send(self, event: Any, **arguments: Any) -> None:
        try:
            with self._sending():
                plugins.send(event, **arguments)
        except FileOperationError as exc:
            raise NotWritten(f"refused by another plugin: {exc.reason}") from exc
        except Exception as exc:
            problem = f"another plugin failed at `{event}`: {type(exc).__name__}: {exc}"
            raise NotWritten(problem) from exc

    @contextmanager
    def _sending(self) -> Iterator[None]:
        self._thread.sending = True
        try:
            yield
        finally:
            self._thread.sending = False
