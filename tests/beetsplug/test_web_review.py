"""Lists, tracks and audio of the review page, by its HTTP API."""

from __future__ import annotations

import socket
import sqlite3
import struct
import time
from contextlib import closing
from pathlib import Path

import pytest

from beetsplug.genreclf.web.live_tracks import LiveTracks
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

FRAGILE = """
from beets.plugins import BeetsPlugin

class Fragile(BeetsPlugin):
    def __init__(self):
        super().__init__()
        self.template_fields["fragile"] = lambda item: 1 / 0
"""


@pytest.fixture
def library(prepared: Prepared) -> Beets:
    return prepared(import_two_albums)


def analyses(beets: Beets) -> int:
    """Return the number of tracks in the new analysis cache."""
    with closing(sqlite3.connect(beets.root / "new.db")) as cache:
        tables = {name for (name,) in cache.execute("SELECT name FROM sqlite_master")}
        return cache.execute("SELECT COUNT(*) FROM analyses").fetchone()[0] if tables else 0


def test_lists_have_albums_with_most_doubt_first(server: WebServer) -> None:
    status = server.json("api/status")
    assert status["counts"]["total"] == status["counts"]["open"] == 4
    albums = server.json("api/albums")["albums"]
    assert [album["tracks"] for album in albums] == [2, 2]
    doubts = []
    for album in albums:
        tracks = server.json(f"api/albums/{album['id']}")["tracks"]
        doubts.append(sum(1 - (track["confidence"] or 0) for track in tracks))
        assert album["lowest"] == min(track["confidence"] or 0 for track in tracks)
    assert doubts == sorted(doubts, reverse=True)
    page = server.json("api/albums?limit=1")
    rest = server.json(f"api/albums?limit=1&after={page['next']}")
    assert [*page["albums"], *rest["albums"]] == albums
    assert rest["next"] is None


def test_filters_and_queries_narrow_the_list(server: WebServer) -> None:
    for show, count in (("reviewed", 0), ("unpredicted", 0), ("all", 2), ("differs", 0)):
        assert len(server.json(f"api/albums?show={show}")["albums"]) == count, show
    found = server.json("api/albums?q=title:tune%200")["albums"]
    assert len(found) == 1
    tracks = server.json(f"api/albums/{found[0]['id']}?q=title:tune")["tracks"]
    assert [track["title"] for track in tracks] == ["tune 0"]
    slow = server.json("api/albums?q=format:MP3%20singleton:false")["albums"]
    assert len(slow) == 2
    for query in ("year:x..y", "title::(", "'"):
        answer = server.get(f"api/albums?q={query}")
        assert (answer.status, answer.json["error"]["code"]) == (400, "invalid"), query


def test_words_with_slashes_are_text(server: WebServer, library: Beets) -> None:
    assert server.json(f"api/albums?q={library.library}")["albums"] == []
    assert server.json("api/albums?q=/")["albums"] == []
    library("modify", "-y", "title:tune 0", "title=AC/DC")
    assert len(server.json("api/albums?q=AC/DC")["albums"]) == 1


def test_queries_open_no_files(library: Beets) -> None:
    library.settings["plugins"] = ["playlist", "genreclf"]
    playlist = library.root / "list.m3u"
    playlist.write_text("\n".join(str(file) for file in library.files()), encoding="utf-8")
    with serving(library) as server:
        for prefix in ("", "-", "^", "title:tune "):
            answer = server.get(f"api/albums?q={prefix}playlist:{playlist}".replace(" ", "%20"))
            assert (answer.status, answer.json["error"]["code"]) == (400, "invalid")
        assert len(server.json("api/albums?q=predicted_genre::.")["albums"]) == 2


def test_track_has_windows_and_sources(server: WebServer) -> None:
    track = first_album(server)["tracks"][0]
    found = server.json(f"api/tracks/{track['id']}")
    assert found["windows"][0].keys() == {"start", "end", "genre", "probability"}
    shares = [entry["probability"] for entry in found["probabilities"]]
    assert shares == sorted(shares, reverse=True)
    assert found["audio"][0] == {"src": f"api/tracks/{track['id']}/audio", "type": "audio/mpeg"}
    assert found["audio"][-1]["type"] == "audio/wav"
    picture = server.get(f"api/tracks/{track['id']}/spectrogram").body
    seconds, rows, columns = struct.unpack("<3d", picture[:24])
    assert seconds == pytest.approx(6, abs=0.2)
    assert len(picture) == 24 + rows * columns


def test_audio_is_sent_in_parts(server: WebServer, library: Beets) -> None:
    track = first_album(server)["tracks"][0]
    path = f"api/tracks/{track['id']}/audio"
    whole = server.get(path)
    assert whole.status == 200
    assert whole.headers["content-type"] == "audio/mpeg"
    size = len(whole.body)
    assert whole.body in [file.read_bytes() for file in library.files()]
    part = server.get(path, Range="bytes=10-19")
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{size}"
    assert server.get(path, Range="bytes=-5").body == whole.body[-5:]
    for wrong in (f"bytes={size}-", "bytes=5-4", "bytes=0-9,20-29", "lines=1-2", "bytes=-"):
        answer = server.get(path, Range=wrong)
        assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{size}")
    wav = server.get(f"{path}.wav")
    assert (wav.status, wav.body[:4]) == (200, b"RIFF")
    assert server.get(f"{path}.wav", Range="bytes=0-").status == 206


def test_paused_players_hold_no_thread(server: WebServer) -> None:
    track = first_album(server)["tracks"][0]
    path = f"{server.prefix}api/tracks/{track['id']}/audio.wav"
    held = []
    for fields in (["Range: bytes=0-"], []) * 8:
        connection = socket.create_connection(("127.0.0.1", server.port))
        lines = [f"GET {path} HTTP/1.1", f"Host: {server.host}", *fields, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        held.append(connection)
    began = time.monotonic()
    assert server.get("api/albums").status == 200
    assert server.get(f"api/tracks/{track['id']}").status == 200
    assert time.monotonic() - began < 5
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 3
    for connection in held:
        connection.close()


def test_query_of_the_command_limits_everything(library: Beets) -> None:
    with serving(library, "title:tune") as server:
        status = server.json("api/status")
        assert (status["counts"]["total"], status["query"]) == (2, "title:tune")
        for album in server.json("api/albums")["albums"]:
            assert album["tracks"] == 1
            (track,) = server.json(f"api/albums/{album['id']}")["tracks"]
            assert track["title"].startswith("tune")
        others = {1, 2, 3, 4} - {
            track["id"]
            for album in server.json("api/albums")["albums"]
            for track in server.json(f"api/albums/{album['id']}")["tracks"]
        }
        assert [server.get(f"api/tracks/{id_}").status for id_ in others] == [404, 404]
        overview = server.json("api/overview")
        assert sum(overview["histogram"]) == 2


def test_missing_file_is_gone(server: WebServer, library: Beets) -> None:
    track = first_album(server)["tracks"][0]
    for file in library.files():
        file.unlink()
    for path in ("", "/audio", "/audio.wav", "/spectrogram"):
        answer = server.get(f"api/tracks/{track['id']}{path}")
        assert (answer.status, answer.json["error"]["code"]) == (404, "gone")
    assert first_album(server)["tracks"][0]["playable"] is False


def test_answers_have_no_paths(server: WebServer, library: Beets) -> None:
    track = first_album(server)["tracks"][0]
    decide(server, decision(track, "accept"))
    paths = ["api/status", "api/overview", "api/albums", "api/runs", f"api/tracks/{track['id']}"]
    paths += [f"api/albums/{track['album_id']}", "api/tracks/999", "api/albums/999"]
    for path in paths:
        body = server.get(path).body
        assert str(library.root).encode() not in body
        assert Path(library.root).name.encode() not in body


def test_changes_by_others_are_counted(server: WebServer, library: Beets) -> None:
    assert server.json("api/status")["counts"]["reviewed"] == 0
    library("modify", "-y", "title:tune 0", "genre_review=kept")
    wait_until(lambda: server.json("api/status")["counts"]["reviewed"] == 1)
    library("remove", "-f", "title:tune 0")
    wait_until(lambda: server.json("api/status")["counts"]["total"] == 3)
    library.add_collection([7], label=False)
    library.import_music()
    wait_until(lambda: server.json("api/status")["counts"]["total"] > 4)


def test_damaged_values_are_counted(library: Beets) -> None:
    with closing(sqlite3.connect(library.root / "library.db")) as database, database:
        values = ["", "x", None, "1e999"]
        for id_, value in enumerate(values, 1):
            sql = "UPDATE item_attributes SET value = ? WHERE key = ? AND entity_id = ?"
            database.execute(sql, (value, "genre_confidence", id_))
            database.execute(sql, (value and f"{value},\n", "genre_journal_id", id_))
        database.execute("UPDATE item_attributes SET value = x'ff' WHERE key = 'genre_agreement'")
    with serving(library) as server:
        assert server.json("api/status")["counts"]["open"] == 4
        histogram = server.json("api/overview")["histogram"]
        assert (histogram[0], histogram[-1]) == (2, 1)


def test_slow_query_does_not_hold_the_request(library: Beets) -> None:
    with closing(sqlite3.connect(library.root / "library.db")) as database, database:
        database.executemany(
            "INSERT INTO items (id, path, title, added) VALUES (?, ?, 'row', 0)",
            ((id_, f"{id_}.mp3".encode()) for id_ in range(100, 15_000)),
        )
    with serving(library) as server:
        path = "api/albums?show=all&q=title:tune%20-mood::."
        answer = server.get(path)
        assert (answer.status, answer.json) == (202, {"searching": True})
        assert server.get("api/status").status == 200
        wait_until(lambda: server.get(path).status == 200)
        assert server.json(path)["total"] == 2
        album = server.json(path)["albums"][0]["id"]
        assert len(server.json(f"api/albums/{album}?q=title:tune%20-mood::.")["tracks"]) == 1
        server.get("api/albums?q=mood:x")
        assert server.stop() == 0


def test_server_stops_during_a_query(library: Beets) -> None:
    with closing(sqlite3.connect(library.root / "library.db")) as database, database:
        database.executemany(
            "INSERT INTO items (id, path, title, added) VALUES (?, '', ?, 0)",
            ((id_, "a" * 21 + "b") for id_ in range(100, 110)),
        )
    with serving(library) as server:
        connection = socket.create_connection(("127.0.0.1", server.port))
        path = f"{server.prefix}api/albums?q=title::(a%2B)%2B$"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
        time.sleep(0.5)
        assert server.stop() == 0
        connection.close()


def test_failed_query_fails_no_other_request(library: Beets) -> None:
    library.install(fragile=FRAGILE)
    with serving(library) as server:
        assert server.get("api/albums?q=fragile:x").status == 500
        assert server.get("api/albums?q=title:tune").status == 200
        assert server.get("api/albums?q=fragile:x").status == 500


def test_counting_does_not_fail_what_is_done(library: Beets) -> None:
    file = library.root / "library.db"
    tracks = LiveTracks(file, None)
    assert len(tracks.table.rows) == 4
    file.rename(library.root / "away.db")
    tracks.update({1})
    assert len(tracks.table.rows) == 4
    tracks.close()


def test_opened_album_and_the_next_are_prepared(library: Beets) -> None:
    library.settings["genreclf"] |= {"threads": 2, "cache": str(library.root / "new.db")}
    with serving(library) as server:
        assert analyses(library) == 0
        first_album(server)
        wait_until(lambda: analyses(library) == 4)
