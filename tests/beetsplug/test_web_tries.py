"""*Try a song*: uploads in pieces, and files that are not songs."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from beetsplug.genreclf.web import tries
from beetsplug.genreclf.web.errors import Gone, Undecodable
from beetsplug.genreclf.web.media_files import MediaFiles
from genremodel import GenreClassifier
from tests.conftest import Beets
from tests.sounds import make
from tests.waiting import wait_until
from tests.web_client import Answer, WebServer, require_flask, serving

require_flask()

PIECE = 1 << 20


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Beets:
    return Beets(tmp_path_factory.mktemp("tries"))


@pytest.fixture(scope="module")
def server(home: Beets) -> Iterator[WebServer]:
    with serving(home) as server:
        yield server


@pytest.fixture(autouse=True)
def _nothing_is_kept(home: Beets, server: WebServer) -> Iterator[None]:
    yield
    assert home.rows() == []
    assert not (home.root / "library.genre-journal.db").exists()


def upload(server: WebServer, content: bytes) -> str:
    answer = server.post("api/tries", {"size": len(content)})
    assert answer.status == 201, answer
    token = str(answer.json["id"])
    for offset in range(0, len(content), PIECE):
        piece = content[offset : offset + PIECE]
        sent = send(server, token, offset, piece)
        assert sent.json == {"received": offset + len(piece)}
    return token


def send(server: WebServer, token: str, offset: int, piece: bytes) -> Answer:
    path = f"api/tries/{token}/data?offset={offset}"
    return server.post(path, piece, kind="application/octet-stream")


def predict(server: WebServer, content: bytes) -> Answer:
    return server.post(f"api/tries/{upload(server, content)}/predict")


def kept_files(server: WebServer) -> list[Path]:
    return [*(server.folder / "tries").iterdir()]


def test_song_is_predicted_and_removed(server: WebServer, home: Beets) -> None:
    song = make(home.root / "song.wav", 30).read_bytes()
    assert len(song) > 2 * PIECE
    answer = predict(server, song)
    assert answer.status == 200, answer
    found = answer.json
    assert found["windows"]
    assert sum(share["probability"] for share in found["probabilities"]) == pytest.approx(1)
    assert found["model"] == server.json("api/status")["model"]
    token = found["id"]
    assert server.get(f"api/tries/{token}/audio.wav", Range="bytes=0-3").body == b"RIFF"
    assert len(server.get(f"api/tries/{token}/spectrogram").body) > 1000
    assert server.get(f"api/tries/{token}/audio").status == 404
    assert len(kept_files(server)) == 1
    assert server.post(f"api/tries/{token}", b"", method="DELETE").status == 204
    assert kept_files(server) == []
    assert server.get(f"api/tries/{token}/audio.wav").status == 404


def test_new_file_replaces_the_one_before(server: WebServer, home: Beets) -> None:
    song = make(home.root / "short.mp3", 4).read_bytes()
    first = predict(server, song).json["id"]
    second = predict(server, song).json["id"]
    assert server.get(f"api/tries/{first}/spectrogram").status == 404
    assert server.get(f"api/tries/{second}/spectrogram").status == 200
    assert len(kept_files(server)) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 100_000,
        b"some text\n" * 100,
        b"ffconcat version 1.0\nfile {song}\n",
        b"#EXTM3U\n{song}\n",
        b"[playlist]\nFile1={song}\nNumberOfEntries=1\n",
        b"<?xml version='1.0'?><playlist><track>{song}</track></playlist>",
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
        b"x",
    ],
)
def test_other_files_are_refused_and_removed(
    server: WebServer, home: Beets, content: bytes
) -> None:
    song = make(home.root / "other.mp3", 4)
    answer = predict(server, content.replace(b"{song}", str(song).encode()))
    assert (answer.status, answer.json["error"]["code"]) == (422, "undecodable")
    assert b"/" not in answer.body
    assert kept_files(server) == []


def test_sizes_are_checked(server: WebServer) -> None:
    for size, status in ((0, 422), ((300 << 20) + 1, 413), (-1, 400), ("1", 400), (None, 400)):
        assert server.post("api/tries", {"size": size}).status == status, size
    token = server.post("api/tries", {"size": 10}).json["id"]
    assert send(server, token, 5, b"x").status == 409
    assert send(server, token, 0, b"x" * 11).status == 413
    assert server.post(f"api/tries/{token}/predict").status == 409
    assert send(server, token, 0, b"x").status == 200
    assert send(server, token, 0, b"x").status == 409
    other = server.post("api/tries", {"size": 10})
    assert other.status == 201
    busy = server.post("api/tries", {"size": 10})
    assert (busy.status, busy.json["error"]["code"]) == (503, "busy")
    for each in (token, other.json["id"]):
        server.post(f"api/tries/{each}", b"", method="DELETE")
    assert server.post("api/tries", {"size": 10}).status == 201


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tries.Tries]:
    monkeypatch.setattr(tries, "_POLL_SECONDS", 0.05)
    with GenreClassifier().pool(workers=1) as pool:
        media = MediaFiles(pool, tmp_path)
        kept = tries.Tries(lambda: pytest.fail("nothing is predicted"), media, tmp_path)
        yield kept
        kept.close()


def test_files_are_removed_after_a_while(
    kept: tries.Tries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = kept.begin(2)["id"]
    kept.append(token, 0, b"x")
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setattr(tries, "_STALLED_SECONDS", 0)
    wait_until(lambda: not file.exists())


def test_piece_does_not_create_a_removed_file(kept: tries.Tries, tmp_path: Path) -> None:
    token = kept.begin(1)["id"]
    (file,) = tmp_path.iterdir()
    file.unlink()
    with pytest.raises(Gone):
        kept.append(token, 0, b"x")
    assert not file.exists()


def test_no_copy_of_a_removed_file_is_left(tmp_path: Path) -> None:
    songs, copies = tmp_path / "songs", tmp_path / "copies"
    songs.mkdir()
    copies.mkdir()
    with GenreClassifier().pool(workers=1) as pool, ThreadPoolExecutor() as threads:
        media = MediaFiles(pool, copies)
        warm = media.wav(make(songs / "first.wav", 4))
        for seconds in (20, 60):
            song = make(songs / f"{seconds}.wav", seconds)
            making = threads.submit(media.wav, song)
            time.sleep(0.02)
            media.remove(song)
            with suppress(Gone, Undecodable):
                making.result()
        assert [*copies.iterdir()] == [warm]
