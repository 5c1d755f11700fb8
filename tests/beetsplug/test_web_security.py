"""Who may use the server of the review page: attacks over real sockets."""

from __future__ import annotations

import gzip
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beetsplug.genreclf import web
from tests.conftest import Beets
from tests.platforms import posix
from tests.web_client import Answer, WebServer, require_flask, serving

require_flask()

MIB = 1 << 20
HEADERS = {
    "content-security-policy", "x-content-type-options", "referrer-policy",
    "cross-origin-opener-policy", "cross-origin-resource-policy", "cache-control",
}  # fmt: skip

WITHOUT_FLASK = """
import sys
from beets.plugins import BeetsPlugin

sys.modules["flask"] = None

class Hidden(BeetsPlugin):
    pass
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    beets = Beets(tmp_path_factory.mktemp("security"))
    beets.add("one.mp3", seconds=4)
    beets.settings["genreclf"]["auto"] = False
    beets.import_music()
    with serving(beets) as server:
        yield server


def statuses(answers: list[Answer]) -> list[int]:
    return [answer.status for answer in answers]


def test_page_needs_the_token(server: WebServer) -> None:
    token = server.prefix.strip("/")
    wrong = ["/", "/api/status", f"/{token[:-1]}/", f"/{token}x/", f"/{token.swapcase()}/"]
    answers = [server.request("GET", path, within=False) for path in wrong]
    assert statuses(answers) == [403] * len(wrong)
    assert all(answer.body == b"403 Forbidden\n" for answer in answers)
    assert server.get("").status == 200


def test_foreign_hosts_are_refused(server: WebServer) -> None:
    port = server.port
    hosts = ["rebind.example", f"rebind.example:{port}", "", "127.0.0.1.example", "localhost@x"]
    hosts += ["127.0.0.2", "[::2]", "localhost:", "localhost:123456"]
    assert statuses([server.get("", Host=host) for host in hosts]) == [421] * len(hosts)
    assert server.request("GET", "static/x", headers={"Host": "a.example"}).status == 421
    good = ["localhost.", "LOCALHOST", f"localhost:{port}", "[::1]:99", "127.0.0.1:1"]
    assert statuses([server.get("", Host=host) for host in good]) == [200] * len(good)


def test_absent_and_repeated_hosts_are_refused(server: WebServer) -> None:
    path = server.prefix.encode()
    assert b" 421 " in server.raw(b"GET %s HTTP/1.0\r\n\r\n" % path)
    repeated = b"Host: localhost\r\nHost: a.example\r\nConnection: close\r\n"
    answer = server.raw(b"GET %s HTTP/1.1\r\n%s\r\n" % (path, repeated))
    assert b" 421 " in answer or b" 400 " in answer


def test_other_sites_get_the_page_only(server: WebServer) -> None:
    for site in ("cross-site", "same-site", "none"):
        headers = {"Sec-Fetch-Site": site}
        assert server.request("GET", "", headers=headers).status == 200
        for path in ("api/status", "static/index.html", "api/tracks/1/audio"):
            assert server.request("GET", path, headers=headers).status == 403
    assert (
        server.request("GET", "api/status", headers={"Sec-Fetch-Site": "same-origin"}).status == 200
    )


def test_writes_need_origin_and_type(server: WebServer) -> None:
    good = {"Origin": server.origin, "Content-Type": "application/json"}
    path, body = "api/runs/999/undo", b"{}"
    assert server.request("POST", path, body, good).status == 404
    for origin in ("", "null", "http://evil.example", f"http://127.0.0.1:{server.port + 1}",
                   f"https://{server.host}", f"http://localhost:{server.port}"):  # fmt: skip
        assert server.request("POST", path, body, {**good, "Origin": origin}).status == 403
    for kind in ("", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"):
        assert server.request("POST", path, body, {**good, "Content-Type": kind}).status == 415
    assert server.request("POST", path, body, {**good, "Sec-Fetch-Site": "same-site"}).status == 403


def test_other_methods_are_refused(server: WebServer) -> None:
    for method in ("PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT"):
        answer = server.request(method, "api/status")
        assert answer.status in (400, 405), method
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "static/../index.html", "static/..%2fserver.py", "static/%2e%2e/server.py",
        "static/..%5cserver.py", "static/%252e%252e%252fserver.py", "static/....//server.py",
        "static//etc/passwd", "static/%2fetc%2fpasswd", "static/", "server.py", "static/x%00.js",
        "api/tracks/../../server.py", "api/tracks//etc/passwd/audio", "api/tracks/-1/audio",
        "api/tracks/99999999999999999999/audio", "api/tries/..%2f..%2fetc%2fpasswd/audio.wav",
    ],
)  # fmt: skip
def test_paths_do_not_leave_the_folders(server: WebServer, path: str) -> None:
    answer = server.get(path)
    assert answer.status in (400, 404), answer
    assert b"import " not in answer.body
    assert b"root:" not in answer.body


def test_bodies_are_limited(server: WebServer) -> None:
    headers = {"Origin": server.origin, "Content-Type": "application/octet-stream"}
    path = "api/tries/x/data?offset=0"
    assert server.request("POST", path, b"x" * MIB, headers).status == 404
    huge = {**headers, "Content-Length": str(400 * MIB)}
    answer = server.request("POST", path, None, huge)  # before anything of the body is sent
    assert answer.status == 413
    assert answer.headers.keys() >= HEADERS
    start = f"POST {server.prefix}{path} HTTP/1.1\r\nHost: {server.host}\r\n"
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    chunk = b"%x\r\n%s\r\n" % (MIB, b"x" * MIB)
    sent = f"{start}{fields}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk + b"5\r\n"
    assert b" 413 " in server.raw(sent)


def test_every_response_has_the_headers(server: WebServer) -> None:
    answers = [
        server.get(""),
        server.get("api/status"),
        server.get("nothing"),
        server.get("", Host="a.example"),
        server.request("GET", "/", within=False),
        server.request("PUT", ""),
        server.post("api/decisions", b"nonsense"),
    ]
    assert statuses(answers) == [200, 200, 404, 421, 403, 405, 400]
    for answer in answers:
        assert answer.headers.keys() >= HEADERS
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert "set-cookie" not in answer.headers
    raw = server.raw(b"nonsense\r\n\r\n").lower()
    assert b" 400 " in raw
    assert b"content-security-policy:" in raw


def test_only_the_loopback_interface_listens(server: WebServer) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    text = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    port = f":{server.port:04X}"
    listening = [line.split()[1] for line in text.splitlines() if line.split()[1].endswith(port)]
    assert {*listening} == {f"0100007F{port}"}


def test_bodies_must_be_objects(server: WebServer) -> None:
    for body in (b"", b"[]", b"1", b'{"decisions": 1}', b'{"decisions": []}', b"[" * 100_000,
                 b"\xff\xfe", b'{"decisions": [{"track": "1"}]}'):  # fmt: skip
        answer = server.post("api/decisions", body)
        assert answer.status == 400, body
        assert answer.json["error"]["code"] == "invalid"


def test_server_stops_on_interrupt(beets: Beets) -> None:
    with serving(beets, in_fork=False) as server:
        folder = server.folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert server.stop() == 0
        assert not folder.exists()


@posix
def test_server_stops_on_sigterm(beets: Beets) -> None:
    with serving(beets, in_fork=False) as server:
        folder = server.folder
        server.process.terminate()
        assert server.process.wait(timeout=20) == 143
        assert not folder.exists()


@posix
def test_folders_of_killed_servers_are_removed(beets: Beets) -> None:
    with serving(beets) as server:
        folder = server.folder
        server.process.kill()
        server.process.wait(timeout=20)
        assert folder.exists()
    with serving(beets) as server:
        assert not folder.exists()
        server.stop()


def test_message_without_flask(beets: Beets) -> None:
    beets.install(hidden=WITHOUT_FLASK)
    done = beets.run("genreclf-web", "--no-browser")
    assert done.returncode == 1
    assert "pip install flask waitress" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert beets.run("ls").returncode == 0


def test_port_in_use_is_reported(server: WebServer, beets: Beets) -> None:
    done = beets.run("genreclf-web", "--no-browser", "--port", str(server.port))
    assert done.returncode == 1
    assert "use --port" in done.stderr
    done = beets.run("genreclf-web", "--port", "0")
    assert done.returncode == 1


def test_page_is_sent_compressed(server: WebServer) -> None:
    page = server.get("", **{"Accept-Encoding": "gzip, deflate, br, zstd"})
    names = [file.name for file in (Path(web.__file__).parent / "static").iterdir()]
    answers = [server.get(f"static/{name}", **{"Accept-Encoding": "gzip"}) for name in names]
    for answer in (page, *answers):
        assert answer.status == 200
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers.keys() >= HEADERS
    assert sum(len(answer.body) for answer in (page, *answers)) < 60_000
    for coding in ("", "identity", "br", "gzip;q=0"):
        plain = server.get("", **{"Accept-Encoding": coding})
        assert "content-encoding" not in plain.headers
        assert plain.body == gzip.decompress(page.body)
