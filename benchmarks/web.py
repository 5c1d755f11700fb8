"""Measure the review page on a synthetic library: `python -m benchmarks.web [--tracks N]`.

Some albums have real files, so that tracks can be analyzed, played and decided about; the others
are rows of the database alone. Needs the extra `web`.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mediafile import MediaFile

from tests.conftest import Beets
from tests.sounds import make
from tests.web_client import WebServer, serving

_PER_ALBUM = 12
_REAL_ALBUMS = 4
_SECONDS = 216.0  # of the real tracks: 3.6 minutes
_GENRES = (
    "blues", "classical", "country", "electronic", "folk", "hip hop", "jazz", "metal", "pop",
    "reggae", "rock",
)  # fmt: skip
_REVIEWS = ("accepted", "kept", "corrected")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=100_000)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        beets = Beets(Path(folder))
        add_real_albums(beets)
        add_rows(beets.root / "library.db", options.tracks)
        for name, value in measure(beets):
            print(f"{name:<52} {value}", flush=True)


def add_real_albums(beets: Beets) -> None:
    """Import some albums with files, and analyze those in MP3."""
    beets.settings["genreclf"] |= {"auto": False, "threads": 2}
    for album in range(_REAL_ALBUMS):
        for kind in ("mp3", "wma"):
            name = f"{kind} {album}"
            media = MediaFile(make(beets.music / name / f"{name}.{kind}", _SECONDS, album))
            media.title = media.album = media.artist = media.albumartist = name
            media.save()
    beets.import_music()
    beets("genreclf", "-q", "format:MP3")


def add_rows(library: Path, tracks: int) -> None:
    """Add tracks without files, most of them predicted, and their albums."""
    chosen = random.Random(0)
    with closing(sqlite3.connect(library)) as database, database:
        (first,) = database.execute("SELECT MAX(id) + 1 FROM items").fetchone()
        (album,) = database.execute("SELECT MAX(id) + 1 FROM albums").fetchone()
        albums = range(album, album + -(-tracks // _PER_ALBUM))
        database.executemany(
            "INSERT INTO albums (id, albumartist, album, year, added) VALUES (?, ?, ?, ?, 0)",
            ((id_, f"Artist {id_ % 2000:04}", f"Album {id_}", 1960 + id_ % 60) for id_ in albums),
        )
        ids = range(first, first + tracks)
        database.executemany(
            "INSERT INTO items (id, path, album_id, title, artist, albumartist, album, track, "
            "length, format, genres, added, mtime) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 200, 'MP3', ?, "
            "0, 0)",
            (
                (
                    id_,
                    f"{place}/{id_}.mp3".encode(),
                    place,
                    f"Title {id_}",
                    f"Artist {place % 2000:04}",
                    f"Artist {place % 2000:04}",
                    f"Album {place}",
                    1 + number % _PER_ALBUM,
                    chosen.choice((*_GENRES, "", "")).title(),
                )
                for number, id_ in enumerate(ids)
                for place in [albums[number // _PER_ALBUM]]
            ),
        )
        database.executemany(
            "INSERT INTO item_attributes (entity_id, key, value) VALUES (?, ?, ?)",
            (row for id_ in ids for row in attributes(id_, chosen)),
        )


def attributes(id_: int, chosen: random.Random) -> Iterator[tuple[int, str, str]]:
    """Yield the fields of a predicted track."""
    if chosen.random() < 0.03:
        return
    confidence = chosen.random()
    values = {
        "genre_confidence": f"{confidence:.3f}",
        "genre_model": "bundled-cnn-4",
        "genre_votes": "jazz 7, blues 3",
        "predicted_styles": "folk",
        "genre_journal_id": f"{id_:016x}",
    }
    if confidence > 0.3:
        values["predicted_genre"] = chosen.choice(_GENRES)
        values["genre_agreement"] = chosen.choice(("agrees", "related", "differs"))
    else:
        values["genre_reason"] = "low confidence"
    if chosen.random() < 0.05:
        values["genre_review"] = chosen.choice(_REVIEWS)
    yield from ((id_, name, value) for name, value in values.items())


def measure(beets: Beets) -> Iterator[tuple[str, str]]:
    """Yield the figures by their names."""
    began = time.perf_counter()
    with serving(beets, in_fork=False) as server:
        server.get("")
        yield "start to first page", f"{time.perf_counter() - began:.2f} s"
        idle = memory(server)
        yield "status, first", timed(lambda: server.json("api/status"), 1)
        time.sleep(2.1)
        yield "status, counted again", timed(lambda: server.json("api/status"), 1)
        yield "status, within two seconds", timed(lambda: server.json("api/status"))
        yield "overview", timed(lambda: server.json("api/overview"), 1)
        for path in (
            "order=doubt", "order=artist", "show=differs", "show=reviewed", "show=unpredicted",
            "q=title:x", "q=genre_confidence:0.5..0.55", "q=artist:0042",
        ):  # fmt: skip
            yield f"albums?{path}", timed(partial(server.json, f"api/albums?{path}"), 3)
        page = server.json("api/albums")
        last = page["albums"][-1]["id"]
        yield "album", timed(lambda: server.json(f"api/albums/{last}"))
        yield "sort again", timed(lambda: server.json("api/albums?refresh=1"), 1)
        yield from measure_tracks(server, real_tracks(server, beets))
        yield "runs", timed(lambda: server.json("api/runs"))
        yield "memory at the start, and now", f"{idle:.0f} MB, {memory(server):.0f} MB"
        began = time.perf_counter()
        status = server.stop()
        yield "Ctrl-C", f"{time.perf_counter() - began:.2f} s, status {status}"


def real_tracks(server: WebServer, beets: Beets) -> dict[str, list[dict[str, Any]]]:
    """Return the tracks with files by their format."""
    found: dict[str, list[dict[str, Any]]] = {}
    with closing(sqlite3.connect(beets.root / "library.db")) as database:
        rows = database.execute("SELECT id FROM items WHERE added > 0 ORDER BY id").fetchall()
        sql = "SELECT DISTINCT COALESCE(album_id, 0) FROM items WHERE added > 0"
        albums = database.execute(sql).fetchall()
    for (album,) in albums:
        for track in server.json(f"api/albums/{album}")["tracks"]:
            if (track["id"],) in rows:
                found.setdefault(track["format"], []).append(track)
    return found


def measure_tracks(
    server: WebServer, tracks: dict[str, list[dict[str, Any]]]
) -> Iterator[tuple[str, str]]:
    known, new = tracks["MP3"], tracks["Windows Media"]
    path = f"api/tracks/{known[0]['id']}"
    server.json(f"api/tracks/{known[-1]['id']}")  # starts the workers
    yield "track from the cache, first", timed(lambda: server.json(path), 1)
    yield "track from the cache", timed(lambda: server.json(path))
    yield "track not analyzed before", timed(lambda: server.json(f"api/tracks/{new[0]['id']}"), 1)
    yield "spectrogram of 3.6 minutes", timed(lambda: server.get(f"{path}/spectrogram"), 1)
    wav = f"api/tracks/{new[0]['id']}/audio.wav"
    yield "first sound, WMA of 3.6 minutes", timed(lambda: part(server, wav), 1)
    yield "next part of it", timed(lambda: part(server, wav))
    for track in known[:2]:
        wanted = {"track": track["id"], "version": track["version"], "decision": "correct"}
        body = {"decisions": [{**wanted, "labels": ["Dub"]}]}
        began = time.perf_counter()
        answer = server.post("api/decisions", body)
        yield "decision with tags", milliseconds(time.perf_counter() - began)
        assert answer.status == 200, answer
        yield "undo", timed(partial(server.post, f"api/runs/{answer.json['run']}/undo"), 1)


def part(server: WebServer, path: str) -> None:
    assert server.get(path, Range="bytes=0-").status == 206


def timed(call: Callable[[], object], repeats: int = 10) -> str:
    """Return the median time of a call, and the longest."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    longest = f", at most {milliseconds(max(times))}" if repeats > 1 else ""
    return f"{milliseconds(statistics.median(times))}{longest}"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def memory(server: WebServer) -> float:
    """Return the resident memory of the server process, in MB."""
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    main()
