"""Tags of files: as predicted before saving, and as read back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import mutagen
import pytest
from mediafile import MediaFile
from mutagen.id3 import TCON

from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_file import TagFile
from tests.sounds import CONTAINERS, make

pytestmark = pytest.mark.usefixtures("media_fields")

VALUES = (
    ["jazz"],
    ["Hip-Hop/Rap"],
    ["A/B", "C"],
    ["ends in a NUL\0"],
    ["\0begins with one"],
    ["one\0other"],
    ["line\n"],
    ["a\r\nb", "c"],
    [" spaces "],
    ["é", "日本語", "🎵"],
    ["17"],
    ["(17)Rock"],
    ["((x)"],
    ["a;b", "a;b"],
    ["\ufeffmark"],
    ["", "empty before"],
)


def make_v23(path: Path, encoding: int) -> None:
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    file.tags.setall("TCON", [TCON(encoding=encoding, text=["Rock"])])
    file.save(v2_version=3)


@pytest.mark.parametrize("kind", [*CONTAINERS, "v23.mp3", "latin.mp3", "v23.aiff"])
def test_as_saved_predicts_what_is_read_back(kind: str, tmp_path: Path) -> None:
    source = make(tmp_path / f"source.{kind.removeprefix('v23.').removeprefix('latin.')}", 1)
    if kind.startswith(("v23", "latin")):
        make_v23(source, encoding=1 if kind.startswith("v23") else 0)
    redo_log = RedoLog(Journal(tmp_path / "journal.db"))
    for values in VALUES:
        for id3v23 in (False, True):
            for by_beets in (False, True):
                # With the time of the source, or each save would wait until it is visible.
                path = Path(shutil.copy2(source, tmp_path / f"copy{source.suffix}"))
                tags: dict[str, Any] = {
                    "genres": values, "predicted_genre": values[0], "predicted_styles": values,
                    "genre_confidence": 0.5, "genre_model": "a/b",
                }  # fmt: skip
                file = TagFile(path)
                file.set(tags)
                expected = file.as_saved(id3v23=id3v23, by_beets=by_beets)
                if by_beets:
                    media = MediaFile(path, id3v23=id3v23)
                    media.update(tags)
                    media.save()
                else:
                    file.save(redo_log, id3v23=id3v23)
                assert TagFile(path).read() == expected, (values, id3v23, by_beets)
                path.unlink()


def test_empty_tag_counts_as_absent(tmp_path: Path) -> None:
    """MP4 files may have a genre atom without a value."""
    path = make(tmp_path / "a.m4a", 1)
    media = mutagen.File(path)
    media.tags["\xa9gen"] = []
    media.save()
    file = TagFile(path)
    assert file.read() == {}
    file.set({"genres": ["jazz"]})
    assert [*file.changes(id3v23=False)[0]] == []
    file.restore({"genres": {"text": [], "key": "\xa9gen"}})  # as journals of before may have it
    assert file.read() == {}
