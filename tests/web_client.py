"""The real `beet genreclf-web` in a process of its own, and requests to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest

from tests.conftest import Beets, fork_server
from tests.fork_server import Forked

Process: TypeAlias = "subprocess.Popen[str] | Forked"

_START_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """status, headers with names in lower case, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WebServer:
    """A running server. address: of the page, with the token. temporary: where its folder is."""

    def __init__(self, process: Process, address: str, temporary: Path) -> None:
        self.process = process
        self.address = address
        self.temporary = temporary
        parts = urlsplit(address)
        self.host = parts.netloc
        self.port = parts.port or 0
        self.prefix = parts.path

    @property
    def folder(self) -> Path:
        """The private folder of the server."""
        (folder,) = self.temporary.glob(f"genreclf-web-{self.process.pid}-*")
        return folder

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        within: bool = True,
    ) -> Answer:
        """Send a request as it is. within: path is below the token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        target = f"{self.prefix}{path}" if within else path
        sent = {"Host": self.host, **(headers or {})}
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value:
                connection.putheader(name, value)
        if body is not None and "Content-Length" not in sent:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if body:
            connection.send(body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, content)

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def json(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.status == 200, answer
        return answer.json

    def post(
        self,
        path: str,
        content: object = None,
        kind: str = "application/json",
        method: str = "POST",
    ) -> Answer:
        """Send what the page would send."""
        body = content if isinstance(content, bytes) else json.dumps(content or {}).encode()
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
        return self.request(method, path, body, headers)

    def raw(self, data: bytes) -> bytes:
        """Send bytes, and return all that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            received = b""
            while part := connection.recv(65536):
                received += part
            return received

    def stop(self) -> int:
        """Press Ctrl-C, and return the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=20)


def require_flask() -> None:
    """Skip the tests of a module without the extra `web`; fail where CI is set."""
    try:
        import flask  # noqa: F401
        import waitress  # noqa: F401
    except ImportError as exc:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs Flask and waitress: {exc}", allow_module_level=True)


@contextmanager
def serving(
    beets: Beets, *arguments: str, in_fork: bool = True, browser: Path | None = None
) -> Iterator[WebServer]:
    """Run the server of a library. Standard error goes to `web.log` in its folder.

    in_fork: in a fork of the fork server, where there is one, which starts faster.
    browser: a program to open the page with.
    """
    beets.write_settings()
    temporary = beets.root / "temporary"
    temporary.mkdir(exist_ok=True)
    folders = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    environment = {**os.environ, **folders, "BEETSDIR": str(beets.root), **beets.environment}
    if browser:
        environment["BROWSER"] = str(browser)
    output, log = (beets.root / name for name in ("web.out", "web.log"))
    command = ["genreclf-web", *([] if browser else ["--no-browser"]), *arguments]
    process = _start(command, environment, beets.root, output, log, in_fork=in_fork)
    try:
        yield WebServer(process, _first_line(process, output, log), temporary)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _start(
    command: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    output: Path,
    log: Path,
    *,
    in_fork: bool,
) -> Process:
    output.write_text("")  # left by a server before
    if in_fork and (server := fork_server(command)):
        return server.start(
            "beets", *command, environment=environment, cwd=cwd, output=output, errors=log
        )
    with output.open("w") as printed, log.open("w") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "beets", *command],
            cwd=cwd,
            env=environment,
            stdout=printed,
            stderr=errors,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


def _first_line(process: Process, output: Path, log: Path) -> str:
    """Wait for the address that a server prints, and return it."""
    end = time.monotonic() + _START_SECONDS
    while not (text := output.read_text(encoding="utf-8")).endswith("\n"):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < end
        time.sleep(0.01)
    address = text.splitlines()[0]
    assert address.startswith("http://"), address
    return address


def import_two_albums(beets: Beets) -> None:
    """Import and predict two albums of two tracks without genres."""
    beets.settings["genreclf"] |= {"auto": False, "min_confidence": 0}
    beets.add_collection(range(2), label=False)
    beets.import_music()
    beets("genreclf", "-q")


def first_album(server: WebServer) -> dict[str, Any]:
    """Return an album; its predicted track comes before that on which the model abstains."""
    album = server.json("api/albums")["albums"][0]
    found = server.json(f"api/albums/{album['id']}")
    found["tracks"].sort(key=lambda track: not track["predicted"])
    return found


def decision(track: dict[str, Any], name: str, *labels: str) -> dict[str, Any]:
    wanted = {"track": track["id"], "version": track["version"], "decision": name}
    return wanted | ({"labels": [*labels]} if labels else {})


def decide(server: WebServer, *decisions: dict[str, Any]) -> dict[str, Any]:
    answer = server.post("api/decisions", {"decisions": [*decisions]})
    assert answer.status == 200, answer
    return answer.json
