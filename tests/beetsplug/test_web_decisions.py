"""Decisions of the review page and their undo, by its HTTP API."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from mediafile import MediaFile

from tests.conftest import Beets, Prepared
from tests.waiting import wait_until
from tests.web_client import (
    WebServer,
    decide,
    decision,
    first_album,
    import_two_albums,
    require_flask,
    serving,
)

require_flask()


@pytest.fixture
def library(prepared: Prepared) -> Beets:
    return prepared(import_two_albums)


def of_album(beets: Beets, album: int, name: str) -> list[str]:
    return beets("ls", "-a", "-f", f"${name}", f"id:{album}").splitlines()


def genres_in_files(beets: Beets) -> dict[str, list[str]]:
    media = [*map(MediaFile, beets.files())]
    return {file.title: file.genres or [] for file in media}


def test_decisions_reach_database_and_file(server: WebServer, library: Beets) -> None:
    tracks = first_album(server)["tracks"]
    then = server.json(f"api/tracks/{tracks[0]['id']}")["then"]
    answer = decide(server, decision(tracks[0], "accept"))
    (done,) = answer["done"]
    assert (done["genres"], done["review"], done["written"]) == (then, "accepted", True)
    assert genres_in_files(library)[done["title"]] == then
    (done,) = decide(server, decision(tracks[1], "correct", "My; Own", "Dub"))["done"]
    assert (done["genres"], done["review"]) == (["My", "Own", "Dub"], "corrected")
    assert genres_in_files(library)[done["title"]] == ["My", "Own", "Dub"]
    assert library.field("genre_review", f"title:{done['title']}") == ["corrected"]
    assert server.json("api/status")["counts"]["reviewed"] == 2
    assert [run["decision"] for run in server.json("api/runs")["runs"]] == ["correct", "accept"]


def test_album_is_one_run_and_one_undo(server: WebServer, library: Beets) -> None:
    before, rows = genres_in_files(library), library.rows()
    tracks = first_album(server)["tracks"]
    answer = decide(server, *(decision(track, "correct", "Dub") for track in tracks))
    assert len(answer["done"]) == 2
    assert server.json("api/status")["undoable"] == answer["run"]
    undone = server.post(f"api/runs/{answer['run']}/undo").json
    assert (len(undone["restored"]), undone["kept"], undone["failed"]) == (2, [], [])
    assert genres_in_files(library) == before
    assert library.rows() == rows
    assert server.post(f"api/runs/{answer['run']}/undo").status == 404
    assert server.json("api/runs")["runs"][0]["undone"] is True


def test_long_run_is_undone_in_parts(server: WebServer, library: Beets) -> None:
    tracks = first_album(server)["tracks"]
    run = decide(server, *(decision(track, "correct", "Dub") for track in tracks))["run"]
    library("modify", "--yes", f"id:{tracks[0]['id']}", "genres=Ska")
    parts = [server.post(f"api/runs/{run}/undo", {"limit": 1}).json]
    while after := parts[-1]["next"]:
        parts.append(server.post(f"api/runs/{run}/undo", {"after": after, "limit": 1}).json)
    assert all(len(part["restored"]) <= 1 for part in parts)
    restored = [track["id"] for part in parts for track in part["restored"]]
    assert restored == sorted(track["id"] for track in tracks)
    assert sum(len(part["kept"]) for part in parts) == 1
    assert library.field("genres", f"id:{tracks[0]['id']}") == ["Ska"]


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": True}, {"after": 3}, {"after": [1]}])
def test_wrong_parts_of_a_run_are_refused(server: WebServer, wrong: dict[str, object]) -> None:
    (track, *_) = first_album(server)["tracks"]
    run = decide(server, decision(track, "correct", "Dub"))["run"]
    assert server.post(f"api/runs/{run}/undo", wrong).status == 400


def test_later_run_is_named(server: WebServer) -> None:
    track = first_album(server)["tracks"][0]
    first = decide(server, decision(track, "correct", "Dub"))
    second = decide(server, decision(first["done"][0], "correct", "Ska"))
    answer = server.post(f"api/runs/{first['run']}/undo")
    assert answer.status == 409
    assert answer.json["error"]["code"] == "later_run"
    assert answer.json["error"]["run"] == second["run"]
    for run in (second["run"], first["run"]):
        assert server.post(f"api/runs/{run}/undo").status == 200


def test_undo_passes_over_removed_tracks(server: WebServer, library: Beets) -> None:
    first, second = first_album(server)["tracks"]
    both = decide(server, decision(first, "correct", "Dub"), decision(second, "correct", "Dub"))
    later = decide(server, decision(both["done"][1], "correct", "Ska"))
    assert server.json("api/status")["undoable"] == later["run"]
    library("remove", "-f", f"title:{second['title']}")
    wait_until(lambda: server.json("api/status")["undoable"] == both["run"])
    gone = server.post(f"api/runs/{later['run']}/undo")
    assert (gone.status, gone.json["error"]["code"]) == (404, "gone")
    undone = server.post(f"api/runs/{both['run']}/undo").json
    assert [track["id"] for track in undone["restored"]] == [first["id"]]
    assert server.json("api/status")["undoable"] is None


def test_invalid_decisions_are_refused(server: WebServer, library: Beets) -> None:
    track = first_album(server)["tracks"][0]
    rows = library.rows()
    many = "; ".join(f"genre {i}" for i in range(21))
    changes: tuple[dict[str, object], ...] = (
        {"track": 1 << 70}, {"track": -1}, {"track": True}, {"decision": "skip"}, {"labels": []},
        {"labels": [many]}, {"labels": [" ; "]}, {"labels": ["x" * 101]}, {"labels": ["\ud800"]},
    )  # fmt: skip
    for change in changes:
        wrong = decision(track, "correct", "Dub") | change
        answer = server.post("api/decisions", {"decisions": [decision(track, "keep"), wrong]})
        assert (answer.status, answer.json["error"]["code"]) == (400, "invalid"), change
    assert library.rows() == rows
    for path in (f"api/runs/{1 << 70}/undo", "api/runs/0/undo"):
        assert server.post(path).status == 404
    for path in (f"api/albums/{1 << 70}", f"api/tracks/{1 << 70}"):
        assert server.get(path).status == 404


def test_changed_track_is_stale(server: WebServer, library: Beets) -> None:
    track = first_album(server)["tracks"][0]
    library("modify", "-y", f"title:{track['title']}", "genres=Changed")
    files = genres_in_files(library)
    answer = server.post("api/decisions", {"decisions": [decision(track, "accept")]})
    assert answer.status == 409
    assert [failed["code"] for failed in answer.json["failed"]] == ["stale"]
    assert genres_in_files(library) == files


def test_undo_keeps_later_edits(server: WebServer, library: Beets) -> None:
    track = first_album(server)["tracks"][0]
    run = decide(server, decision(track, "correct", "Dub"))["run"]
    library("modify", "-y", f"title:{track['title']}", "genres=Changed")
    undone = server.post(f"api/runs/{run}/undo").json
    assert len(undone["kept"]) == 1
    assert str(library.root) not in undone["kept"][0]
    assert genres_in_files(library)[track["title"]] == ["Changed"]


def test_unpredicted_track_can_be_decided(library: Beets) -> None:
    library("modify", "-y", "title:tune 0", "genre_model!", "predicted_genre!")
    with serving(library) as server:
        assert server.json("api/status")["counts"]["unpredicted"] == 1
        (album,) = server.json("api/albums?show=unpredicted")["albums"]
        tracks = server.json(f"api/albums/{album['id']}")["tracks"]
        track = next(track for track in tracks if track["title"] == "tune 0")
        found = server.json(f"api/tracks/{track['id']}")
        assert found["predicted"]
        (done,) = decide(server, decision(track, "accept"))["done"]
        assert (done["review"], done["predicted"]) == ("accepted", found["predicted"])


def test_locked_journal_is_reported(server: WebServer, library: Beets) -> None:
    track = first_album(server)["tracks"][0]
    with closing(sqlite3.connect(library.root / "library.genre-journal.lock")) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        answer = server.post("api/decisions", {"decisions": [decision(track, "accept")]})
        assert server.get("api/albums").status == 200
    assert (answer.status, answer.json["error"]["code"]) == (503, "locked")
    assert answer.headers["retry-after"] == "2"


def test_album_follows_its_tracks(server: WebServer, library: Beets) -> None:
    first, second = first_album(server)["tracks"]
    album = first["album_id"]
    before = of_album(library, album, "genres")
    decide(server, decision(first, "correct", "Dub"))
    assert of_album(library, album, "genres") == before
    decide(server, decision(second, "correct", "Dub"))
    assert of_album(library, album, "genres") == ["Dub"]
    assert of_album(library, album, "album_genre_review") == ["corrected"]
    run = server.json("api/runs")["runs"][0]
    assert (run["tracks"], run["title"]) == (1, f"{second['artist']}, {second['title']}")
    assert server.post(f"api/runs/{run['id']}/undo").status == 200
    assert of_album(library, album, "genres") == before
    assert library.field("genres", f"id:{first['id']}") == ["Dub"]


def test_album_is_accepted_with_its_tracks(library: Beets) -> None:
    library("modify", "-y", "title:loop 0", "predicted_genre=jazz")
    with serving(library) as server:
        found = server.json("api/albums?q=title:loop%200")["albums"][0]["id"]
        tracks = server.json(f"api/albums/{found}")["tracks"]
        decide(server, *(decision(track, "accept") for track in tracks if track["predicted"]))
        assert of_album(library, found, "album_genre_review") == ["accepted"]
        assert of_album(library, found, "genres") != [""]
        assert all(track["genres"] for track in server.json(f"api/albums/{found}")["tracks"])
