"""Real music: excerpts of 115 tracks that have a Creative Commons license."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest
from mediafile import MediaFile

from tests.conftest import Beets
from tests.tags import every_tag, is_ours, our_tags, plain_tags
from tests.variants import variant

WINDOWS = 2  # of a track: enough for excerpts of 30 s


@pytest.fixture(scope="module")
def tracks(data: Path) -> list[dict[str, str]]:
    """Return a path, genre and artist of each track: every other one of the folder."""
    with (data / "emotify" / "index.csv").open(encoding="utf-8") as file:
        return [*csv.DictReader(file)][::2]


@pytest.fixture(scope="module")
def collection(
    tmp_path_factory: pytest.TempPathFactory, data: Path, tracks: list[dict[str, str]]
) -> Beets:
    """Return a library that has all of them, analyzed but not classified."""
    beets = Beets(tmp_path_factory.mktemp("emotify"))
    beets.settings["genreclf"] |= {"auto": False, "threads": 2, "windows": WINDOWS}
    for track in tracks:
        path = beets.music / track["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / "emotify" / track["path"], path)
    beets.import_music()
    done = beets.run("genreclf", "--pretend")
    assert "0 failed" in done.stderr
    return beets


def tags_of(beets: Beets) -> dict[Path, list[tuple[str, str]]]:
    return {path: every_tag(path) for path in beets.files()}


@variant  # of tests/beetsplug/test_undo.py
def test_undo_restores_a_real_collection(collection: Beets) -> None:
    """Real MP3s: pretend, replace, undo."""
    beets = collection
    beets.settings["genreclf"] |= {"policy": "replace", "min_confidence": 0}
    tags, rows = tags_of(beets), beets.rows()
    assert len(tags) == 115

    shown = beets.run("genreclf", "-p")
    assert "0 failed" in shown.stderr
    assert "  + Electronic" in shown.stdout
    assert (tags_of(beets), beets.rows()) == (tags, rows)
    assert not [*beets.root.glob("*journal*")]

    done = beets.run("genreclf")
    assert done.returncode == 0
    counts = [re.findall(r"\d+", run.stderr.splitlines()[-1]) for run in (shown, done)]
    assert counts[0] == counts[1][:4], "another count"
    changed = tags_of(beets)
    assert sum("predicted_genre" in our_tags(path) for path in tags) > 110, "a few are hardly music"
    for path, before in tags.items():
        if genre := our_tags(path).get("predicted_genre"):
            assert plain_tags(path)["genre"] == [genre.title()]
        others = [tag for tag in changed[path] if not is_ours(tag[0])]
        assert others == [tag for tag in before if not is_ours(tag[0])]

    undone = beets.run("genreclf-undo")
    assert undone.returncode == 0
    assert "115 tracks" in undone.stderr
    assert (tags_of(beets), beets.rows()) == (tags, rows)


def test_train_on_half_of_the_artists_and_classify_the_others(
    beets: Beets, data: Path, tracks: list[dict[str, str]]
) -> None:
    """The story of the README, on real music."""
    beets.settings["genreclf"] |= {"auto": False, "policy": "replace", "windows": WINDOWS}
    folder = data / "emotify"
    rows = [track for track in tracks if track["genre"] != "pop"]
    artists = sorted({row["artist"] for row in rows})
    true = {}
    for number, row in enumerate(rows):
        taught = artists.index(row["artist"]) % 2
        if not taught and number % 2:
            continue  # half of them are enough
        path = beets.music / ("taught" if taught else "others") / row["path"].replace("/", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / row["path"], path)
        media = MediaFile(path)
        media.artist = media.albumartist = row["artist"]
        media.genres = [f"my {row['genre']}"] if taught else []
        media.title = path.stem
        media.save()
        if not taught:
            true[path.stem] = f"my {row['genre']}"
    beets.import_music("--singletons")
    output = beets("genreclf-train")
    assert "my classical" in output
    assert "saved as mine (mine-" in output

    before = beets.rows()
    beets("genreclf", "--quiet", "genres::^$")
    lines = beets("ls", "-f", "$title|$predicted_genre|$genres", "genre_model:mine-").splitlines()
    named = [line.split("|") for line in lines]
    assert len(named) == len(true)
    right = [title for title, predicted, _ in named if predicted == true[title]]
    wrong = [title for title, predicted, _ in named if predicted not in ("", true[title])]
    assert len(right) > 0.75 * len(true)
    assert len(wrong) < 0.2 * len(true)
    assert all(predicted == genres for _, predicted, genres in named if predicted)
    explained = beets("genreclf-explain", f"title:={right[0]}")
    assert f"genre          {true[right[0]]}\n" in explained
    assert "model          mine-" in explained
    beets("genreclf-undo")
    assert beets.rows() == before


def test_real_music(beets: Beets, data: Path) -> None:
    for genre in ("classical", "electronic"):
        sources = sorted((data / "emotify" / genre).glob("*.mp3"))[:6]
        (beets.music / genre).mkdir(parents=True)
        for source in sources:
            shutil.copyfile(source, beets.music / genre / source.name)
    beets.import_music()
    predicted = beets.field("predicted_genre")
    assert len(predicted) == 12
    assert predicted.count("classical") + predicted.count("electronic") >= 10
