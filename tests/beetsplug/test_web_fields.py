"""Decisions of the review page about fields other than genres, by its HTTP API."""

from __future__ import annotations

from typing import Any

import pytest
from mediafile import MediaFile

from tests.conftest import Beets, Prepared
from tests.moods import predict_moods
from tests.web_client import WebServer, decide, decision, require_flask, serving

require_flask()

SIXTH = "artist:artist 6"


@pytest.fixture
def library(prepared: Prepared) -> Beets:
    return prepared(predict_moods)


def tracks_of(server: WebServer, album: int) -> list[dict[str, Any]]:
    """Return the tracks of an album by its number, the loop first."""
    albums = server.json("api/albums?show=all&order=artist&limit=9")["albums"]
    (found,) = (row["id"] for row in albums if row["album"] == f"album {album}")
    tracks = server.json(f"api/albums/{found}?show=all")["tracks"]
    return sorted(tracks, key=lambda track: track["title"])


def on_mood(track: dict[str, Any], name: str, *labels: str) -> dict[str, Any]:
    return {**decision(track, name, *labels), "field": "mood"}


def test_moods_are_shown_and_decided_on(server: WebServer, library: Beets) -> None:
    files = {path: path.read_bytes() for path in library.files()}
    loop, tune = tracks_of(server, 6)
    (mood,) = loop["others"]
    assert 0 < mood.pop("confidence") < 1
    assert mood == {
        "field": "mood", "predicted": "wild", "reason": None, "value": None, "review": None,
        "open": True,
    }  # fmt: skip
    accepted, corrected = decide(
        server, on_mood(loop, "accept"), on_mood(tune, "correct", "odd; calm")
    )["done"]
    assert accepted["others"][0] | {"confidence": 0} == {
        "field": "mood", "predicted": "wild", "confidence": 0, "reason": None, "value": "wild",
        "review": "accepted", "open": False,
    }  # fmt: skip
    assert not accepted["written"]
    assert accepted["review"] is None, "the genre is not decided on"
    assert accepted["genres"] == loop["genres"]
    assert corrected["others"][0]["value"] == "odd; calm"
    decide(server, on_mood(tracks_of(server, 7)[0], "keep"))
    assert library.field("mood", "artist::[67]") == ["wild", "$mood", "odd; calm", "$mood"]
    assert library.field("mood_review", "mood_review::.") == ["accepted", "kept", "corrected"]
    assert {path: path.read_bytes() for path in library.files()} == files
    assert server.json("api/status")["counts"]["reviewed"] == 0
    assert tracks_of(server, 1)[0]["others"] == [], "it was not predicted"


def test_decisions_about_moods_are_undone(server: WebServer, library: Beets) -> None:
    before = library.rows()
    run = decide(server, *(on_mood(track, "accept") for track in tracks_of(server, 6)))["run"]
    decide(server, *(decision(track, "keep") for track in tracks_of(server, 7)))
    runs = server.json("api/runs")["runs"]
    assert [(each["decision"], each["field"]) for each in runs] == [
        ("keep", None),
        ("accept", "mood"),
    ]
    server.post(f"api/runs/{runs[0]['id']}/undo")
    assert server.json("api/status")["undoable"] == run
    restored = server.post(f"api/runs/{run}/undo").json["restored"]
    assert [track["others"][0]["open"] for track in restored] == [True, True]
    assert library.rows() == before


def test_decisions_about_genres_and_moods_are_undone_apart(
    server: WebServer, library: Beets
) -> None:
    assert all(library.field("genres", SIXTH)), "the plugin's"
    decide(server, *(on_mood(track, "accept") for track in tracks_of(server, 6)))
    decide(server, *(decision(track, "correct", "Tango") for track in tracks_of(server, 6)))
    library("genreclf-undo", SIXTH)
    assert library.field("genres", SIXTH) == ["Tango"] * 2
    for moods in (["wild", "calm"], ["$mood"] * 2):
        run = server.json("api/status")["undoable"]
        assert server.post(f"api/runs/{run}/undo").status == 200
        assert library.field("genres", SIXTH) == [""] * 2, "those from before the plugin"
        assert library.field("mood", SIXTH) == moods
    assert library.field("title", "genre_journal_id::.", SIXTH) == []


def test_tags_that_beets_writes_are_undone_with_the_genres(library: Beets) -> None:
    library.settings["genreclf"]["write"] = False
    library("genreclf-undo", SIXTH)
    library("genreclf", SIXTH)
    files = [path for path in library.files() if "artist 6" in path.parts]
    before = library.rows()
    with serving(library) as server:
        decide(server, *(decision(track, "correct", "Tango") for track in tracks_of(server, 6)))
        decide(server, *(on_mood(track, "accept") for track in tracks_of(server, 6)))
    library("write", SIXTH)
    library("genreclf-undo", "--last")
    assert library.field("mood", SIXTH) == ["$mood"] * 2
    assert [MediaFile(path).genres for path in files] == [["Tango"]] * 2
    library("genreclf-undo", "--last")
    assert [MediaFile(path).genres for path in files] == [None] * 2
    assert library.rows() == before


def test_a_mood_that_was_set_meanwhile_is_not_replaced(server: WebServer, library: Beets) -> None:
    track = tracks_of(server, 6)[0]
    library("modify", "--yes", f"id:{track['id']}", "mood=mine")
    answer = server.post("api/decisions", {"decisions": [on_mood(track, "accept")]})
    assert answer.status == 409
    assert answer.json["failed"][0]["code"] == "stale"
    assert library.field("mood", f"id:{track['id']}") == ["mine"]
    (mood,) = tracks_of(server, 6)[0]["others"]
    assert (mood["value"], mood["review"], mood["open"]) == ("mine", None, False)


def test_decisions_about_other_fields_are_refused(server: WebServer, library: Beets) -> None:
    before, track = library.rows(), tracks_of(server, 6)[0]
    refused: tuple[object, ...] = ("era", "title", "genre", "path", "", None, 3, ["mood"], {})
    for field in refused:
        wanted = decision(track, "correct", "odd") | {"field": field}
        answer = server.post("api/decisions", {"decisions": [wanted]})
        assert (answer.status, answer.json["error"]["code"]) == (400, "invalid"), field
    assert library.rows() == before
