"""Read and write the tags of a file that the plugin sets, and no others.

`Item.write()` would write all fields of the database.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from copy import copy
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from mediafile import (
    ListMediaField,
    MediaField,
    MediaFile,
    StorageStyle,
    UnreadableFileError,
    mutagen_call,
)
from mutagen._vorbis import VComment
from mutagen.asf import ASFTags
from mutagen.id3 import ID3, Frames
from mutagen.mp4 import MP4FreeForm

from beetsplug.genreclf.fields import MEDIA_FIELDS, TAG_NAMES
from beetsplug.genreclf.storage.inplace.file_state import FileChanged, FileState, NotWritten
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.inplace.rewrite import rewrite
from beetsplug.genreclf.storage.value_comparison import Values, diff, is_absent, same

# A tag exactly as in the file: "text", a list, and further properties of its container.
Tag: TypeAlias = dict[str, Any]
_ATTEMPTS = 10  # to save a file that another program keeps changing


class TagFile:
    """The tags of a file, by `TAG_NAMES`, which are changed in memory and then saved.

    Raises mediafile.UnreadableFileError or OSError if the file cannot be opened or saved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def read(self) -> dict[str, Tag]:
        """Return the tags of the file, with the changes in memory."""
        return self._tags(self._media.mgfile.tags, self._version)

    def as_saved(self, *, id3v23: bool, by_beets: bool = False) -> dict[str, Tag]:
        """Return what `read` will return after the file has been saved; nothing is saved.

        This may differ from what was set: NULs separate texts, and beets joins the texts of ID3v2.3
        by slashes. id3v23: as for `save`. by_beets: saved by `MediaFile.save` instead.
        """
        tags = self._media.mgfile.tags
        if isinstance(tags, ASFTags):
            saved = self.read()
            for tag in saved.values():
                tag["text"] = [text.strip("\0") for text in tag["text"]]
            return saved
        if not isinstance(tags, ID3):
            return self.read()
        id3v23 = id3v23 and not (by_beets and self._media.type != "mp3")
        written = by_beets or self._version not in ((2, 3), (2, 4))
        version = ((2, 3) if id3v23 else (2, 4)) if written else self._version
        assert version is not None
        ours = ID3()
        for key in filter(None, (self._key(self._style(name), tags) for name in TAG_NAMES)):
            ours.add(copy(tags[key]))
        if not ours:
            return {}
        if written and id3v23:
            ours.update_to_v23()
        content = BytesIO()
        ours.save(content, v2_version=version[1], v23_sep="/" if by_beets else None)
        content.seek(0)
        return self._tags(ID3(content, translate=False), version)

    def values(self) -> dict[str, Any]:
        """Return the tags as values of media fields, None for missing tags."""
        return {name: _field(name).__get__(self._media) for name in TAG_NAMES}

    def changes(self, *, id3v23: bool, by_beets: bool = False) -> tuple[Values, Values]:
        """Return the old and the new values of the tags that saving changes.

        id3v23, by_beets: as for `as_saved`.
        """
        return diff(self._found, self.as_saved(id3v23=id3v23, by_beets=by_beets))

    def set(self, values: Mapping[str, Any]) -> None:
        """Set tags to values of media fields; an absent value removes its tag."""
        for name, value in values.items():
            if same(_field(name).__get__(self._media), value):
                continue
            if is_absent(value):
                _field(name).__delete__(self._media)
            else:
                _field(name).__set__(self._media, value)

    def revert(self, name: str) -> None:
        """Set a tag to its value when the file was opened."""
        tags = {other: tag for other, tag in self.read().items() if other != name}
        if name in self._found:
            tags[name] = self._found[name]
        self.restore(tags)

    def restore(self, tags: Mapping[str, Tag]) -> None:
        """Set the tags to what `read` has returned."""
        current = self.read()
        for name in TAG_NAMES:
            if current.get(name) != tags.get(name):
                self._remove(self._style(name))
                if name in tags and tags[name]["text"]:
                    self._add(name, self._style(name), tags[name])

    def save(self, redo_log: RedoLog, *, id3v23: bool) -> None:
        """Save the file so that neither a crash nor a full disk damages it, see `rewrite`.

        id3v23: write ID3v2.3 where the file has no ID3 tag, or one of a version that cannot be
        written. Needs the lock, see `Journal.lock`. Raises JournalError too. After an error the
        file is unchanged.
        """
        wanted = self.read()
        for _ in range(_ATTEMPTS):
            if not self._unsettled:
                try:
                    save = partial(self._save, id3v23=id3v23)
                    return rewrite(self._target, self._seen, save, redo_log)
                except FileChanged:
                    pass
            time.sleep(self._unsettled)
            self._open_again(wanted)
        raise NotWritten("another program keeps changing it")

    def _open(self) -> None:
        path = self._path
        if path.exists() and not path.is_file():
            raise OSError("not a file")  # opening a pipe would wait
        self._target = Path(os.path.realpath(path))
        self._seen = FileState.of(self._target)
        self._unsettled = self._seen.unsettled()
        self._media = MediaFile(str(path))
        self._version: tuple[int, ...] | None = None  # of the ID3v2 tag, if any
        tags = self._media.mgfile.tags
        if isinstance(tags, ID3) and tags.size:
            self._version = tags.version[:2]
        if self._version in ((2, 3), (2, 4)):
            # mutagen converts to ID3v2.4 when it reads, and loses frames when it converts back.
            mutagen_call("open", path, self._media.mgfile.load, str(path), translate=False)
        self._found = self.read()

    def _open_again(self, wanted: Mapping[str, Tag]) -> None:
        """Read the file again and repeat the changes.

        Raises NotWritten if another program has changed the same tags.
        """
        found = self._found
        self._open()
        if self._found != found:
            raise NotWritten("another program has changed the same tags meanwhile")
        self.restore(wanted)

    def _save(self, to: BinaryIO, id3v23: bool) -> None:
        """Save to a file object that has the content of the file."""
        path, file, tags = str(self._path), self._media.mgfile, self._media.mgfile.tags
        to.seek(0)
        if not tags and isinstance(tags, ID3):  # write no empty tag
            try:
                mutagen_call("delete", path, file.delete, to)
            finally:
                file.tags = tags  # mutagen removes them from DSF, and this may run twice
        elif isinstance(tags, ID3):
            if self._version not in ((2, 3), (2, 4)):
                self._version = (2, 3) if id3v23 else (2, 4)
                if id3v23:
                    tags.update_to_v23()
            version = self._version[1]
            mutagen_call("save", path, file.save, to, v2_version=version, v23_sep=None)
        else:
            mutagen_call("save", path, file.save, to)

    def _style(self, name: str) -> StorageStyle:
        return next(_field(name).styles(self._media.mgfile))

    def _tags(self, tags: Any, version: tuple[int, ...] | None) -> dict[str, Tag]:
        """Return our tags among all tags of a file. version: of ID3v2."""
        found = {name: self._read(self._style(name), tags, version) for name in TAG_NAMES}
        return {name: tag for name, tag in found.items() if tag and tag["text"]}

    def _key(self, style: StorageStyle, tags: Any) -> str | None:
        """Return the key of a tag in the spelling of the file."""
        keys = (key for key, _ in tags) if isinstance(tags, VComment) else tags.keys()
        return next((key for key in keys if self._is_key(key, style)), None)

    def _is_key(self, key: str, style: StorageStyle) -> bool:
        """Return whether a key is that of a tag, ignoring case."""
        wanted = style.key
        if isinstance(self._media.mgfile.tags, ID3):
            wanted = ":".join(filter(None, (wanted, getattr(style, "description", ""))))
        return bool(key.lower() == wanted.lower())

    def _read(self, style: StorageStyle, tags: Any, version: tuple[int, ...] | None) -> Tag | None:
        key = self._key(style, tags)
        if key is None:
            return None
        value = tags[key]
        if isinstance(tags, ID3):
            text = [*map(str, value.text)]
            if version == (2, 3) and getattr(style, "split_v23", False):
                text = [part for joined in text for part in joined.split("/")]
            return {"text": text, "key": key, "encoding": int(value.encoding)}
        return {"text": [_text(part) for part in value], "key": key}

    def _remove(self, style: StorageStyle) -> None:
        key = self._key(style, self._media.mgfile.tags)
        if key is not None:
            del self._media.mgfile.tags[key]

    def _add(self, name: str, style: StorageStyle, tag: Tag) -> None:
        tags, key, text = self._media.mgfile.tags, tag.get("key", ""), tag["text"]
        if isinstance(tags, ID3) != ("encoding" in tag) or not self._is_key(key, style):
            # Read from another container; the file has been converted since.
            several = isinstance(_field(name), ListMediaField)
            _field(name).__set__(self._media, text if several else text[0])
        elif isinstance(tags, ID3):
            described = {"desc": key.partition(":")[2]} if ":" in key else {}
            tags.add(Frames[style.key](encoding=tag["encoding"], text=text, **described))
        elif key.startswith("----"):
            tags[key] = [MP4FreeForm(part.encode()) for part in text]
        else:
            tags[key] = text


def reason(error: Exception) -> str:
    """Return why a file cannot be opened or saved, for a message that names the file.

    The message of the system is preferred, because others may name a temporary copy.
    """
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, NotWritten):
            return str(cause)
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__context__
    return str(error.message if isinstance(error, UnreadableFileError) else error)


def _field(name: str) -> MediaField:
    """Return the field of a tag, which MediaFile lacks if its model was deleted."""
    return MEDIA_FIELDS.get(name) or vars(MediaFile)[name]


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
