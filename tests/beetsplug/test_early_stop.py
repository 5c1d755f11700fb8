"""`windows: auto` in commands and imports: three windows where they are enough."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from mediafile import MediaFile

from genremodel.analysis import Analysis
from genremodel.custom.store import ModelStore
from genremodel.models.musicnn import features_version
from tests.conftest import Beets
from tests.labeled_tracks import custom_model
from tests.sounds import drums, make
from tests.web_client import require_flask, serving


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Beets:
    """Return a library that is classified with `windows: auto`: `sure` stops, `unsure` does not."""
    beets = Beets(tmp_path_factory.mktemp("early"))
    beets.settings["genreclf"] |= {"windows": "auto", "min_confidence": 0.9}
    beets.add("sure.flac", seconds=60)
    media = MediaFile(make(beets.music / "unsure.flac", 60, sound=drums))
    media.title = "unsure"
    media.save()
    beets.import_music()
    beets.keep()
    return beets


@pytest.fixture
def classified(library: Beets) -> Beets:
    library.restore()
    return library


def votes(beets: Beets) -> list[str]:
    """Return the votes of the windows of `sure` and `unsure`."""
    return beets.field("genre_votes")


def windows(votes: str) -> int:
    """Return how many windows have voted."""
    return sum(int(vote.rpartition(" ")[2]) for vote in votes.split(", "))


def cached_windows(beets: Beets) -> list[int]:
    with closing(sqlite3.connect(beets.root / "genreclf-cache.db")) as cache:
        rows = cache.execute("SELECT content FROM analyses").fetchall()
    return sorted(len(Analysis.from_bytes(content).starts) for (content,) in rows)


def test_import_stops_when_sure(classified: Beets) -> None:
    assert votes(classified) == ["electronic 3", "electronic 10"]
    assert cached_windows(classified) == [3, 10]


def test_cached_predictions_do_not_depend_on_the_windows_in_the_cache(classified: Beets) -> None:
    classified.settings["genreclf"]["windows"] = 10
    classified("genreclf", "--force")
    assert votes(classified) == ["electronic 10", "electronic 10"]
    assert cached_windows(classified) == [10, 10]
    classified.settings["genreclf"]["windows"] = "auto"
    classified("genreclf", "--force")
    assert votes(classified) == ["electronic 3", "electronic 10"]
    assert cached_windows(classified) == [10, 10]


def test_other_models_use_ten_windows(classified: Beets) -> None:
    moods = replace(custom_model(), name="moods", field="mood", features_version=features_version())
    ModelStore(classified.root / "library.genre-models").save(moods)
    classified.settings["genreclf"]["other_models"] = ["moods"]
    classified("genreclf", "--force")
    assert votes(classified) == ["electronic 10", "electronic 10"]
    assert [windows(text) for text in classified.field("mood_votes")] == [10, 10]


def test_explain_completes_a_track(classified: Beets) -> None:
    (line,) = classified("genreclf-explain", "--json", "title:=sure").splitlines()
    assert len(json.loads(line)["windows"]) == 10
    assert cached_windows(classified) == [10, 10]


def test_review_page_completes_a_track(classified: Beets) -> None:
    require_flask()
    (track,) = classified.field("id", "title:=sure")
    with serving(classified) as server:
        assert len(server.json(f"api/tracks/{track}")["windows"]) == 10
    assert cached_windows(classified) == [10, 10]
