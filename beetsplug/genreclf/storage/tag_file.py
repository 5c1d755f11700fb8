"""The tags of a file that are the plugin's to change; it leaves every other tag as it is.

`Item.write()` would write all that the database knows of the track.
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

from mediafile import ListMediaField, MediaFile, StorageStyle, UnreadableFileError, mutagen_call
from mutagen._vorbis import VComment
from mutagen.asf import ASFTags
from mutagen.id3 import ID3, Frames
from mutagen.mp4 import MP4FreeForm

from beetsplug.genreclf.fields import TAG_NAMES
from beetsplug.genreclf.storage.inplace.file_state import FileChanged, FileState, NotWritten
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.inplace.rewrite import rewrite
from beetsplug.genreclf.storage.values import Values, diff, is_absent, same

# A tag exactly as it is in the file: its "text", a list, and what else its container says of it.
Tag: TypeAlias = dict[str, Any]
# How often a file is read again that another program changes meanwhile.
_ATTEMPTS = 10


class TagFile:
    """The tags of one file, `TAG_NAMES`: read, changed in memory, saved.

    Raises mediafile.UnreadableFileError or OSError when it cannot be opened or saved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def read(self) -> dict[str, Tag]:
        """Return the tags that there are."""
        return self._tags(self._media.mgfile.tags, self._version)

    def as_saved(self, *, id3v23: bool, by_beets: bool = False) -> dict[str, Tag]:
        """Return what `read` will return once the file has been saved; nothing is saved.

        What is set and what is read back may differ: NULs separate texts, and beets joins the texts
        of ID3v2.3 by slashes. id3v23: as of `save`. by_beets: saved by `MediaFile.save` instead.
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
        """Return the tags as values of media fields, None where there is no tag."""
        return {name: getattr(self._media, name) for name in TAG_NAMES}

    def changes(self, *, id3v23: bool, by_beets: bool = False) -> tuple[Values, Values]:
        """Return the tags that saving changes: what the file has, and what it will have.

        id3v23, by_beets: as of `as_saved`.
        """
        return diff(self._found, self.as_saved(id3v23=id3v23, by_beets=by_beets))

    def set(self, values: Mapping[str, Any]) -> None:
        """Set tags to values of media fields; an absent value removes its tag."""
        for name, value in values.items():
            if same(getattr(self._media, name), value):
                continue
            if is_absent(value):
                delattr(self._media, name)
            else:
                setattr(self._media, name, value)

    def revert(self, name: str) -> None:
        """Make a tag what it was when the file was opened."""
        tags = {other: tag for other, tag in self.read().items() if other != name}
        if name in self._found:
            tags[name] = self._found[name]
        self.restore(tags)

    def restore(self, tags: Mapping[str, Tag]) -> None:
        """Make the tags what `read` returned once."""
        current = self.read()
        for name in TAG_NAMES:
            if current.get(name) != tags.get(name):
                self._remove(self._style(name))
                if name in tags and tags[name]["text"]:
                    self._add(name, self._style(name), tags[name])

    def save(self, redo_log: RedoLog, *, id3v23: bool) -> None:
        """Save the file so that neither a crash nor a full disk damages it, see `rewrite`.

        id3v23: the version of ID3 tags that are new, or of a version that cannot be written.
        To be called while no other command changes files, see `Journal.lock`. Raises JournalError
        too. After an error the file is what it was.
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
            raise OSError("not a file")  # a pipe would be waited for
        self._target = Path(os.path.realpath(path))
        self._seen = FileState.of(self._target)
        self._unsettled = self._seen.unsettled()
        self._media = MediaFile(str(path))
        self._version: tuple[int, ...] | None = None  # of the ID3v2 tag that there is
        tags = self._media.mgfile.tags
        if isinstance(tags, ID3) and tags.size:
            self._version = tags.version[:2]
        if self._version in ((2, 3), (2, 4)):
            # mutagen makes ID3v2.4 of what it reads, and frames are lost on the way back to 2.3.
            mutagen_call("open", path, self._media.mgfile.load, str(path), translate=False)
        self._found = self.read()

    def _open_again(self, wanted: Mapping[str, Tag]) -> None:
        """Read the file again and make the same changes.

        Raises NotWritten if another program has changed the same tags.
        """
        found = self._found
        self._open()
        if self._found != found:
            raise NotWritten("another program has changed the same tags meanwhile")
        self.restore(wanted)

    def _save(self, to: BinaryIO, id3v23: bool) -> None:
        """Save into a file object that has the content of the file."""
        path, file, tags = str(self._path), self._media.mgfile, self._media.mgfile.tags
        to.seek(0)
        if not tags and isinstance(tags, ID3):  # no tag rather than an empty one
            try:
                mutagen_call("delete", path, file.delete, to)
            finally:
                file.tags = tags  # DSF forgets them, and this may be done again
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
        return next(vars(MediaFile)[name].styles(self._media.mgfile))

    def _tags(self, tags: Any, version: tuple[int, ...] | None) -> dict[str, Tag]:
        """Return the tags that there are among all tags of a file. version: of ID3v2."""
        found = {name: self._read(self._style(name), tags, version) for name in TAG_NAMES}
        return {name: tag for name, tag in found.items() if tag and tag["text"]}

    def _key(self, style: StorageStyle, tags: Any) -> str | None:
        """Return the key of a tag as the file spells it."""
        keys = (key for key, _ in tags) if isinstance(tags, VComment) else tags.keys()
        return next((key for key in keys if self._is_key(key, style)), None)

    def _is_key(self, key: str, style: StorageStyle) -> bool:
        """Tell whether a key is that of a tag, as the file spells it."""
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
            # Read in another container, from which the file has been converted since.
            several = isinstance(vars(MediaFile)[name], ListMediaField)
            setattr(self._media, name, text if several else text[0])
        elif isinstance(tags, ID3):
            described = {"desc": key.partition(":")[2]} if ":" in key else {}
            tags.add(Frames[style.key](encoding=tag["encoding"], text=text, **described))
        elif key.startswith("----"):
            tags[key] = [MP4FreeForm(part.encode()) for part in text]
        else:
            tags[key] = text


def reason(error: Exception) -> str:
    """Return why a file cannot be opened or saved, for a message that names it.

    That of the system, if it has one: the error may also name the copy, which nobody knows.
    """
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, NotWritten):
            return str(cause)
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__context__
    return str(error.message if isinstance(error, UnreadableFileError) else error)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
