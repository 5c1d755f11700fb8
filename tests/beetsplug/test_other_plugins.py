"""Plugins that change tags or genres: zero, scrub, and those with import stages."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mediafile import MediaFile

from tests.conftest import Beets
from tests.tags import our_tags, plain_tags
from tests.variants import variants


def test_zeroed_fields_stay_zeroed(beets: Beets) -> None:
    beets.settings["genreclf"] |= {"min_confidence": 0}
    beets.settings["zero"] = {"fields": "genre_model predicted_styles genres"}
    beets.install("zero")
    beets.add("a.mp3")
    beets.add("b.flac", seed=1)
    beets.import_music()
    beets("genreclf", "-f", "-w")
    beets("write")
    assert all(beets.field("genre_model"))
    for path in beets.files():
        assert {*our_tags(path)} == {"predicted_genre", "genre_confidence"}
        assert "genre" not in plain_tags(path)
    assert "tags to write" not in beets("genreclf", "-p")


@pytest.mark.parametrize("first", [True, False])
def test_zeroed_genres_stay_zeroed_where_beets_writes(first: bool, beets: Beets) -> None:
    beets.settings["genreclf"] |= {"write": False, "min_confidence": 0, "policy": "replace"}
    beets.settings["zero"] = {"fields": ["genres"], "update_database": not first}
    beets.install("zero", first=first)
    beets.settings["plugins"].append("owntags")
    shutil.copy(Path(__file__).parents[1] / "plugins" / "owntags.py", beets.root / "plugins")
    media = MediaFile(beets.add("album/a.flac"))
    media.update({"artist": "someone", "album": "an album", "genres": ["Mine"]})
    media.save()
    beets("import", "--quiet", str(beets.music))
    (path,) = beets.files()
    assert our_tags(path) == {}
    assert "genre" not in plain_tags(path)
    assert beets.field("mb_albumid") == ["own-album"]
    (genre,) = beets.field("predicted_genre")
    assert beets.field("genres") == ([genre.title()] if first else [""])
    beets("update")  # the file has nothing that the database does not know
    assert beets.field("predicted_genre") == [genre]


def test_genres_set_by_a_later_plugin_stay(beets: Beets) -> None:
    """Another plugin that decides in its import stage has the last word, in the file as well."""
    beets.settings["genreclf"] |= {"min_confidence": 0, "policy": "replace"}
    decider = """
        from beets.plugins import BeetsPlugin

        class DeciderPlugin(BeetsPlugin):
            def __init__(self):
                super().__init__()
                self.import_stages = [self.decide]

            def decide(self, session, task):
                for item in task.imported_items():
                    item.genres = ["Decided"]
                    item.store()
    """
    beets.install(decider=decider)
    beets.add("a.flac")
    beets.import_music()
    (path,) = beets.files()
    assert beets.field("genres") == ["Decided"]
    assert "genre" not in plain_tags(path), "beets does not write as-is imports"
    beets("write")
    assert plain_tags(path)["genre"] == ["Decided"]
    beets("genreclf-undo")
    assert beets.field("genres") == ["Decided"]
    assert plain_tags(path)["genre"] == ["Decided"]


def test_undo_restores_scrubbed_files(beets: Beets) -> None:
    """scrub empties a file before beets writes it: what it had is not taken for nothing."""
    beets.settings["genreclf"] |= {"min_confidence": 0, "policy": "replace", "write": "auto"}
    beets.install("scrub", first=True)
    for name in ("a.mp3", "b.flac"):
        media = MediaFile(beets.add(name))
        media.genres, media.artist = ["Mine", "Yours"], "someone"
        media.save()
    beets.import_music()
    beets("scrub")
    for path in beets.files():
        assert our_tags(path)["genre_model"]
        assert plain_tags(path)["genre"] != ["Mine", "Yours"]
    done = beets.run("genreclf-undo")
    assert "changed since" not in done.stderr
    for path in beets.files():
        assert our_tags(path) == {}
        media = MediaFile(path)
        assert (media.genres, media.artist) == (["Mine", "Yours"], "someone")


def test_undo_restores_genres_joined_by_scrub(beets: Beets) -> None:
    beets.settings["genreclf"] |= {"min_confidence": 0, "policy": "append"}
    beets.settings["id3v23"] = True
    beets.install("scrub")
    media = MediaFile(beets.add("a.mp3"))
    media.genres = ["Mine"]
    media.save()
    beets.import_music()
    (path,) = beets.files()
    assert plain_tags(path)["genre"] != ["Mine"]
    assert "changed since" not in beets.run("genreclf-undo").stderr
    assert our_tags(path) == {}
    assert MediaFile(path).genres == ["Mine"]


@pytest.mark.parametrize("applied", variants([True, False], default=[True]))
def test_predictions_survive_plugins_that_read_files_again(applied: bool, beets: Beets) -> None:
    """convert replaces the file at import and reads it again; without tags, all would be lost."""
    reader = """
        from beets.plugins import BeetsPlugin

        class ReaderPlugin(BeetsPlugin):
            def __init__(self):
                super().__init__()
                self.import_stages = [self.replace]

            def replace(self, session, task):
                for item in task.imported_items():
                    item.write()
                    item.read()
                    item.store()
    """
    beets.settings["genreclf"] |= {"min_confidence": 0, "write": False}
    beets.install(reader=reader)
    beets.settings["plugins"].append("owntags")
    shutil.copy(Path(__file__).parents[1] / "plugins" / "owntags.py", beets.root / "plugins")
    media = MediaFile(beets.add("a.flac"))
    media.update({"artist": "someone", "album": "an album"})
    media.save()
    beets("import", "--quiet", *([] if applied else ["--noautotag"]), str(beets.music))
    (path,) = beets.files()
    assert our_tags(path) == {}
    beets("update")
    (line,) = beets("ls", "-f", "$genres|$predicted_genre|$genre_model|$predicted_styles").split(
        "\n"
    )[:1]
    genres, genre, model, styles = line.split("|")
    assert genres == genre.title() != ""
    assert model
    assert styles
