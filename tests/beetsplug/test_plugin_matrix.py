"""Imports with other plugins: what beets and they promise still holds, and no tag is lost.

`make test` runs enough combinations for each pair of values; `--full-matrix` runs all.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import mutagen
import pytest
from mediafile import MediaFile

from tests.conftest import Beets
from tests.plugins.stagedgenres import GENRES as STAGED
from tests.plugins.transcode import transcode
from tests.sounds import make
from tests.tags import our_tags

PLUGINS = Path(__file__).parents[1] / "plugins"
ARTIST, ALBUM, COMMENT = "An Artist", "An Album", "a comment of the user"
SOURCES = {"one": "one.flac", "two": "two.mp3", "three": "three.m4a"}  # by title
USER_GENRES = {"one": [], "two": ["Gnawa"], "three": []}
MODIFIED = 1_000_000_000  # when the sources were last changed
EVENTS = ("import_begin", "write", "after_write", "import_task_files", "album_imported", "import")


class Combination(NamedTuple):
    """One cell of the matrix."""

    plugin: str
    place: str
    auto: bool
    applied: bool
    operation: str

    def __str__(self) -> str:
        auto, match = ("auto" if self.auto else "manual"), ("applied" if self.applied else "asis")
        return f"{self.plugin}-{self.place}-{auto}-{match}-{self.operation}"

    @property
    def beets_writes(self) -> bool:
        """Whether beets or the other plugin writes all tags once the files are in place."""
        return self.applied or self.plugin == "scrub"

    @property
    def written(self) -> bool:
        """Whether the files get the tags of this plugin."""
        return self.beets_writes or (self.auto and self.operation != "hardlink")

    @property
    def is_synced(self) -> bool:
        """Whether beets and the other plugin change nothing in the database alone.

        As-is, beets writes no tags, so files keep the genres that another plugin changed. scrub
        writes when beets has already stored the time of the file.
        """
        if self.plugin == "scrub":
            return False
        return self.applied or self.plugin not in ("stagedgenres", "zero")

    def is_transcoded(self, title: str) -> bool:
        return self.plugin == "convert" and not SOURCES[title].endswith(".mp3")


def _with_convert(beets: Beets) -> dict[str, Any]:
    script = PLUGINS / "transcode.py"
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} $source $dest"
    return {"auto": True, "quiet": True, "format": "mp3", "command": command}


def _with_hook(beets: Beets) -> dict[str, Any]:
    def command(event: str) -> str:
        path = "{path}" if event.endswith("write") else ""
        return f"""sh -c 'echo "$0|$1" >> "$2"' {event} "{path}" "{beets.root / "events"}" """

    return {"hooks": [{"event": event, "command": command(event)} for event in EVENTS]}


def _with_smartplaylist(beets: Beets) -> dict[str, Any]:
    playlists = [{"name": "all.m3u", "query": f"album:'{ALBUM}'"}]
    return {"playlist_dir": str(beets.root / "playlists"), "playlists": playlists}


# How each plugin is configured.
CONFIGURED: dict[str, Callable[[Beets], dict[str, Any]]] = {
    "convert": _with_convert,
    "scrub": lambda beets: {"auto": True},
    "zero": lambda beets: {"fields": ["comments", "genres"]},
    "hook": _with_hook,
    "importadded": lambda beets: {"preserve_mtimes": True, "preserve_write_mtimes": True},
    "smartplaylist": _with_smartplaylist,
    "stagedgenres": lambda beets: {},
}
AXES: tuple[Sequence[Any], ...] = (
    (*CONFIGURED,),
    ("before", "after"),  # genreclf
    (True, False),
    (True, False),
    ("copy", "move", "hardlink"),
)


def pairwise(axes: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Return combinations in which each value meets each value of every other axis."""

    def pairs(values: Iterable[Any]) -> set[Any]:
        return {*combinations(enumerate(values), 2)}

    candidates = list(product(*axes))
    missing = set[Any]().union(*map(pairs, candidates))
    chosen = []
    while missing:
        best = max(candidates, key=lambda values: len(pairs(values) & missing))
        missing -= pairs(best)
        chosen.append(best)
    return chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "combination" in metafunc.fixturenames:
        full = metafunc.config.getoption("--full-matrix")
        cells = product(*AXES) if full else pairwise(AXES)
        metafunc.parametrize("combination", [Combination(*cell) for cell in cells], ids=str)


@dataclass(frozen=True)
class Prepared:
    """Music to import, the cache with its analyses, and what the plugin predicts.

    predicted: genres by title, and by title and "transcoded".
    """

    music: Path
    cache: Path
    predicted: dict[str, str]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    beets = Beets(tmp_path_factory.mktemp("matrix"))
    music = beets.root / "album"
    for number, (title, name) in enumerate(SOURCES.items(), start=1):
        path = make(music / name, 5, number)
        media = MediaFile(path)
        media.update({"title": title, "artist": ARTIST, "album": ALBUM, "track": number})
        media.update({"comments": COMMENT, "genres": USER_GENRES[title]})
        media.save()
        transcoded = music.with_name("transcoded") / f"{title}.mp3"
        transcoded.parent.mkdir(exist_ok=True)
        transcode(str(path), str(transcoded))
        media = MediaFile(transcoded)
        media.title = f"{title} transcoded"
        media.save()
    for path in music.iterdir():
        os.utime(path, (MODIFIED, MODIFIED))
    beets("import", "--quiet", "--noautotag", str(music), str(transcoded.parent))
    lines = beets("ls", "-f", "$title|$predicted_genre").splitlines()
    predicted = dict(line.split("|") for line in lines)
    assert len(predicted) == 6
    assert all(predicted.values()), predicted
    return Prepared(music, beets.root / "genreclf-cache.db", predicted)


def test_import_beside_another_plugin(
    combination: Combination, prepared: Prepared, beets: Beets
) -> None:
    shutil.copytree(prepared.music, beets.music)
    shutil.copy(prepared.cache, beets.root)
    other = [combination.plugin]
    beets.settings["plugins"] = [
        "owntags",
        *(other if combination.place == "before" else []),
        "genreclf",
        *(other if combination.place == "after" else []),
    ]
    beets.settings["pluginpath"] = str(PLUGINS)
    beets.settings[combination.plugin] = CONFIGURED[combination.plugin](beets)
    beets.settings["genreclf"]["auto"] = combination.auto
    beets.settings["import"] = {
        operation: operation == combination.operation for operation in ("copy", "move", "hardlink")
    }
    noautotag = [] if combination.applied else ["--noautotag"]

    done = beets.run("import", "--quiet", *noautotag, str(beets.music))

    assert done.returncode == 0, done.stderr
    for sign in ("Traceback", "error", "Error", "genreclf:", "unhandled"):
        assert sign not in done.stdout + done.stderr, done.stdout + done.stderr
    check_database(combination, prepared, beets)
    check_files(combination, beets)
    check_sources(combination, prepared, beets)
    if check := CHECKS.get(combination.plugin):
        check(combination, beets)
    if combination.is_synced:
        assert beets("update") == "", "the database and the files differ"


def test_convert_at_import_with_the_default_settings(beets: Beets) -> None:
    beets.add("a.flac", seed=1)
    beets.settings["plugins"] = ["convert", "genreclf"]
    beets.settings["convert"] = _with_convert(beets)
    beets.settings["genreclf"] = {"threads": 1}
    beets.import_music()
    (path,) = beets.files()
    assert path.suffix == ".mp3"
    assert mutagen.File(path, easy=True)["title"] == ["a"]
    (genre,) = beets.field("predicted_genre")
    assert genre
    assert beets.field("genres") == [genre.title()]


def test_scrub_leaves_the_only_copy_its_tags(beets: Beets) -> None:
    source = beets.add("a.flac")
    beets.settings["plugins"] = ["scrub", "genreclf"]
    beets.settings["genreclf"] = {"auto": False}
    beets.settings["import"] = {"move": True}
    beets.import_music()
    assert not source.exists()
    (path,) = beets.files()
    assert mutagen.File(path, easy=True)["title"] == ["a"]


def test_beets_writes_after_a_damaged_journal_was_moved_away(beets: Beets) -> None:
    beets.add("a.flac", seed=1)
    beets.import_music()
    (path,) = beets.files()
    before = our_tags(path)
    assert before
    for journal in beets.root.glob("library.genre-journal.*"):
        journal.rename(journal.with_name(f"damaged {journal.name}"))
    beets("modify", "--yes", "artist=Someone")
    beets("write", "--force")
    (path,) = beets.files()  # moved, because its folder is named after the artist
    assert mutagen.File(path, easy=True)["artist"] == ["Someone"]
    assert our_tags(path) == before


def check_database(combination: Combination, prepared: Prepared, beets: Beets) -> None:
    """Check that all tracks are in the library, with the genres that the policy promises."""
    rows = items(beets)
    assert rows.keys() == SOURCES.keys()
    for title, row in rows.items():
        key = f"{title} transcoded" if combination.is_transcoded(title) else title
        predicted = prepared.predicted[key] if combination.auto else None
        assert row.get("predicted_genre") == predicted
        assert row["genres"] == expected_genres(combination, title, predicted)
        assert row["mb_albumid"] == ("own-album" if combination.applied else "")
        assert row["comments"] == COMMENT
    names = sorted(Path(os.fsdecode(row["path"])).name for row in rows.values())
    assert names == sorted(path.name for path in beets.files())


def expected_genres(combination: Combination, title: str, predicted: str | None) -> list[str]:
    if combination.plugin == "stagedgenres":
        return STAGED
    return USER_GENRES[title] or ([predicted.title()] if predicted else [])


def check_files(combination: Combination, beets: Beets) -> None:
    """Check the tags of the library's files, read by mutagen."""
    rows = items(beets)
    for title, path in by_title(beets.files()).items():
        tags = mutagen.File(path, easy=True)
        assert (tags["artist"], tags["album"]) == ([ARTIST], [ALBUM])
        zeroed = combination.plugin == "zero" and combination.applied
        assert (COMMENT in repr(mutagen.File(path).tags)) is not zeroed

        ours = our_tags(path).get("predicted_genre")
        assert ours == (rows[title].get("predicted_genre") if combination.written else None)

        genres = tags.get("genre", [])
        if combination.plugin == "zero" and (combination.applied or not USER_GENRES[title]):
            assert genres == []
        elif combination.plugin == "zero":  # a write for this plugin's own tags may remove them
            assert genres in ([], USER_GENRES[title])
        elif combination.plugin == "stagedgenres" and not combination.applied:
            assert genres in (USER_GENRES[title], STAGED)
        elif combination.written:
            assert genres == rows[title]["genres"]
        else:
            assert genres == USER_GENRES[title]


def check_sources(combination: Combination, prepared: Prepared, beets: Beets) -> None:
    """Check that sources are what beets leaves of them: the same, linked, or moved away."""
    files = by_title(beets.files())
    for title, name in SOURCES.items():
        source, original = beets.music / name, prepared.music / name
        if combination.is_transcoded(title) or combination.operation == "copy":
            assert source.read_bytes() == original.read_bytes()
        elif combination.operation == "move":
            assert not source.exists()
        else:
            assert source.samefile(files[title])
            if not combination.beets_writes:
                assert source.read_bytes() == original.read_bytes()


def check_converted(combination: Combination, beets: Beets) -> None:
    for path in beets.files():
        assert path.suffix == ".mp3"
        assert mutagen.File(path).info.length == pytest.approx(5, abs=0.2)


def check_events(combination: Combination, beets: Beets) -> None:
    lines = (beets.root / "events").read_text(encoding="utf-8").splitlines()
    sent = [tuple(line.split("|")) for line in lines]
    assert {event for event, path in sent if not path} == {*EVENTS} - {"write", "after_write"}
    written = {Path(path) for event, path in sent if event == "write"}
    assert written == {Path(path) for event, path in sent if event == "after_write"}
    assert written == ({*beets.files()} if combination.written else set())


def check_times(combination: Combination, beets: Beets) -> None:
    for row in items(beets).values():
        assert row["added"] == MODIFIED
        assert row["mtime"] == MODIFIED
    assert {path.stat().st_mtime for path in beets.files()} == {MODIFIED}


def check_playlist(combination: Combination, beets: Beets) -> None:
    beets("splupdate")
    lines = (beets.root / "playlists" / "all.m3u").read_text(encoding="utf-8").splitlines()
    assert sorted(map(Path, lines)) == beets.files()


# What each of the other plugins promises.
CHECKS: dict[str, Callable[[Combination, Beets], None]] = {
    "convert": check_converted,
    "hook": check_events,
    "importadded": check_times,
    "smartplaylist": check_playlist,
}


def items(beets: Beets) -> dict[str, dict[str, Any]]:
    """Return all fields of the tracks in the database by their titles."""
    with closing(sqlite3.connect(beets.root / "library.db")) as database:
        database.row_factory = sqlite3.Row
        rows = {row["id"]: dict(row) for row in database.execute("SELECT * FROM items")}
        for row in database.execute("SELECT entity_id, key, value FROM item_attributes"):
            rows[row["entity_id"]][row["key"]] = row["value"]
    for row in rows.values():
        row["genres"] = row["genres"].split("\\␀") if row["genres"] else []
    return {row["title"]: row for row in rows.values()}


def by_title(files: Iterable[Path]) -> dict[str, Path]:
    return {mutagen.File(path, easy=True)["title"][0]: path for path in files}
