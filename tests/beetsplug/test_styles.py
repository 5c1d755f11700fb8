"""Styles: several values in the database and in files, written and undone."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import mutagen
import pytest

from genremodel.style_hierarchy import styles_by_genre
from tests.conftest import Beets, Prepared
from tests.sounds import CONTAINERS, melody, write
from tests.tags import every_tag, our_tags, plain_tags
from tests.variants import variants


def import_one_track(beets: Beets) -> None:
    beets.add("a.flac", seconds=12)
    beets.import_music()


@pytest.fixture
def classified(prepared: Prepared) -> Beets:
    """Return a library of one track, which has been classified."""
    return prepared(import_one_track)


def in_file(path: Path) -> list[str]:
    return plain_tags(path).get("predicted_styles", [])


def edit(path: Path, styles: list[str] | None) -> None:
    """Change the tag as another program does."""
    file = mutagen.File(path)
    if styles is None:
        del file["predicted_styles"]
    else:
        file["predicted_styles"] = styles
    file.save()
    os.utime(path, (time.time() + 9, time.time() + 9))


def test_styles_are_written_and_undone(beets: Beets) -> None:
    beets.settings["genreclf"] |= {"auto": False, "min_confidence": 0}
    beets.add_every_container()
    beets.import_music()
    files = beets.file_by_container()
    assert files.keys() == {*CONTAINERS}
    tags, rows = {kind: every_tag(path) for kind, path in files.items()}, beets.rows()
    assert "predicted_styles" not in str(rows), "a track never analyzed got a field"
    beets("genreclf")
    after = {kind: every_tag(path) for kind, path in files.items()}
    in_database = beets.field_by_container("predicted_styles")
    for kind, path in files.items():
        styles = in_file(path)
        assert in_database[kind] == "; ".join(styles), kind
        if kind == "ape":
            assert not styles, "silence has none"
        else:
            assert len(styles) == 3, kind
            assert "ambient" in styles, kind
    beets("genreclf", "-f")
    for kind, path in files.items():
        assert every_tag(path) == after[kind], f"{kind}: the same is written as something else"
    beets("genreclf-undo")
    for kind, path in files.items():
        assert every_tag(path) == tags[kind], kind
    assert beets.rows() == rows


def test_import_reads_styles_from_files(beets: Beets) -> None:
    kinds = {"mp3", "flac", "m4a", "wma", "wv"}
    for kind in kinds:
        beets.add(f"a.{kind}", seconds=12)
    beets.import_music()
    styles = beets.field_by_container("predicted_styles")
    assert styles.keys() == kinds
    assert beets("update") == "", "our own writing looks like a change"
    beets.settings["genreclf"]["auto"] = False
    for kind, path in beets.file_by_container().items():
        shutil.copyfile(path, beets.music / f"a.{kind}")
    beets("remove", "--force", "--delete")
    beets.import_music()
    assert beets.field_by_container("predicted_styles") == styles


@pytest.mark.parametrize("count", variants([0, 1], default=[1]))
def test_force_applies_a_new_limit_of_styles(count: int, classified: Beets) -> None:
    (path,) = classified.files()
    before, styles = every_tag(path), in_file(path)
    classified.settings["genreclf"]["max_styles"] = count
    classified("genreclf")
    assert in_file(path) == styles, "a track that has a prediction is passed over"
    assert "predicted_styles:" in classified("-v", "genreclf", "-f", "-p")
    classified("genreclf", "-f")
    assert in_file(path) == styles[:count]
    assert classified.field("predicted_styles") == ["; ".join(styles[:count])]
    assert classified("ls", "-a", "-f", "$album_genre_styles").strip() == "; ".join(styles[:count])
    classified("genreclf-undo", "--last")
    assert every_tag(path) == before
    assert classified.field("predicted_styles") == ["; ".join(styles)]


def test_tracks_without_a_genre_have_no_styles(beets: Beets) -> None:
    beets.settings["genreclf"]["min_confidence"] = 1
    beets.add("a.flac", seconds=12)
    write(beets.music / "b.flac", melody(5) * 0)
    beets.import_music("--singletons")
    assert not any(map(in_file, beets.files()))
    shown = {*beets("ls", "-f", "$genre_reason|$predicted_styles").splitlines()}
    assert shown == {"low confidence|", "silence|"}


def test_styles_fit_the_genre_that_a_track_is_given(classified: Beets) -> None:
    assert classified.field("predicted_styles") == ["electronica; ambient; experimental"]
    only_jazz = {*styles_by_genre()} - {"jazz"}
    classified.settings["genreclf"] |= {"exclude": sorted(only_jazz), "min_confidence": 0}
    classified("genreclf", "-f")
    assert classified.field("predicted_genre") == ["jazz"]
    assert classified.field("predicted_styles") == [""]
    assert classified("ls", "-a", "-f", "$album_genre_styles").strip() == ""


def test_queries_by_style(classified: Beets) -> None:
    (styles,) = classified.field("predicted_styles")
    assert "ambient" in styles
    for query, count in (
        ("predicted_styles:ambient", 1),
        ("predicted_styles:AMBI", 1),
        ("predicted_styles:polka", 0),
        ("^predicted_styles:ambient", 0),
        ("predicted_styles:=ambient", 1),
        ("predicted_styles:=ambi", 0),
        ("predicted_styles::^amb", 1),
    ):
        assert len(classified("ls", query).splitlines()) == count, query
        of_album = query.replace("predicted_styles", "album_genre_styles")
        assert len(classified("ls", "-a", of_album).splitlines()) == count, of_album


def test_tracks_do_not_inherit_styles_of_their_album(beets: Beets) -> None:
    beets.add("a.flac", seconds=12)
    write(beets.music / "b.flac", melody(5) * 0)
    beets.settings["genreclf"]["auto"] = False
    beets.import_music()
    beets("genreclf", "length:11..")
    (album,) = beets("ls", "-a", "-f", "$album_genre_styles").splitlines()
    assert album, "half of its tracks have them"
    assert album in beets("ls", "-f", "$predicted_styles").splitlines()
    assert len(beets("ls", "predicted_styles::.").splitlines()) == 1
    beets("genreclf")
    assert sorted(beets("ls", "-f", "$predicted_styles").splitlines()) == ["", album]
    assert len(beets("ls", "predicted_styles:ambient").splitlines()) == 1
    beets("modify", "--yes", "--album", "album_genre_styles=polka; ska")
    assert sorted(beets("ls", "-f", "$predicted_styles").splitlines()) == ["", album]
    beets("genreclf-undo")
    assert not beets("ls", "predicted_styles::.")


def test_styles_can_be_modified_and_removed(beets: Beets) -> None:
    beets.add("a.flac", seconds=12)
    beets.import_music("--singletons")
    (path,) = beets.files()
    beets("modify", "--yes", "predicted_styles=polka; ska")
    assert in_file(path) == ["polka", "ska"]
    beets("modify", "--yes", "predicted_styles=")
    assert "predicted_styles" not in our_tags(path)
    beets("genreclf", "-f")
    styles = in_file(path)
    assert f"predicted_styles: {'; '.join(styles)}" in beets("modify", "-y", "predicted_styles!")
    assert "predicted_styles" not in our_tags(path)
    assert beets.field("predicted_styles") == ["$predicted_styles"]


def test_update_reads_what_another_program_changed(classified: Beets) -> None:
    (path,) = classified.files()
    edit(path, ["polka", "ska"])
    classified("update")
    assert classified.field("predicted_styles") == ["polka; ska"]
    edit(path, None)
    assert "predicted_styles: polka; ska" in classified("update")
    assert classified.field("predicted_styles") == [""]
    assert not classified("ls", "predicted_styles:polka")


def test_undo_keeps_styles_changed_by_the_user(classified: Beets) -> None:
    classified("modify", "--yes", "predicted_styles=polka; ska")
    done = classified.run("genreclf-undo")
    assert "a.flac: not restored, changed since: predicted_styles" in done.stderr
    assert our_tags(classified.files()[0]) == {"predicted_styles": "polka; ska"}
    assert classified.field("predicted_styles") == ["polka; ska"]


def test_styles_written_by_beets_are_undone(beets: Beets) -> None:
    beets.settings["genreclf"]["write"] = False
    beets.add("a.mp3", seconds=12)
    beets.import_music()
    (path,) = beets.files()
    assert not our_tags(path)
    beets("write")
    assert "; ".join(in_file(path)) == beets.field("predicted_styles")[0] != ""
    with closing(sqlite3.connect(beets.root / "library.genre-journal.db")) as database:
        ((new,),) = database.execute("SELECT new FROM changes WHERE place = 'file'")
    assert json.loads(new)["predicted_styles"]["text"] == in_file(path)
    beets("genreclf-undo")
    assert not our_tags(path)


def test_styles_joined_by_beets_in_id3v23(beets: Beets) -> None:
    beets.settings |= {"id3v23": True}
    beets.settings["genreclf"]["write"] = False
    beets.add("a.mp3", seconds=12)
    beets.import_music()
    (path,) = beets.files()
    beets("write")
    (styles,) = beets.field("predicted_styles")
    assert in_file(path) == [styles.replace("; ", "/")]
    os.utime(path, (time.time() + 9, time.time() + 9))
    assert "predicted_styles" not in beets("update")
    assert beets.field("predicted_styles") == [styles]
    assert "not restored" not in beets.run("genreclf-undo").stderr
    assert not our_tags(path)


def test_styles_are_explained(classified: Beets) -> None:
    styles = in_file(classified.files()[0])
    assert f"styles         {', '.join(styles)}\n" in classified("genreclf-explain", "path::.")
    explained = json.loads(classified("genreclf-explain", "--json", "path::."))
    assert explained["styles"] == styles
