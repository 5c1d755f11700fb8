"""Who may use the page, as a browser sees it: the private file, tokens, hosts and other sites."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Visit
from tests.conftest import Beets
from tests.web_client import WebServer, serving

# Returns the outcome of each way in which a page of another site may use the server.
ATTACKS = """async (address) => {
    const attempt = async (path, options) => {
        try {
            const answer = await fetch(address + path, options);
            return answer.type === "opaque" ? "opaque" : `readable ${answer.status}`;
        } catch {
            return "failed";
        }
    };
    const load = (tag, path) => new Promise((resolve) => {
        const element = document.createElement(tag);
        element.onloadedmetadata = element.onload = () => resolve("loaded");
        element.onerror = () => resolve("failed");
        element.src = address + path;
        document.body.append(element);
    });
    const undo = "api/runs/1/undo";
    const json = { "Content-Type": "application/json" };
    return {
        read: await attempt("api/status"),
        blind: await attempt("api/status", { mode: "no-cors" }),
        page: await attempt("", { mode: "no-cors" }),
        text: await attempt(undo, { method: "POST", body: "{}" }),
        simple: await attempt(undo, { method: "POST", body: "{}", mode: "no-cors" }),
        json: await attempt(undo, { method: "POST", body: "{}", headers: json }),
        audio: await load("audio", "api/tracks/1/audio"),
        script: await load("script", "static/main.js"),
        image: await load("img", "static/icon.svg"),
    };
}"""


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    """Return the file in which the browser of `program` notes what it opened."""
    return tmp_path / "opened"


@pytest.fixture
def program(opened: Path, tmp_path: Path) -> Path:
    """Return a browser that only notes the address."""
    path = tmp_path / "browser"
    path.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part\nmv {opened}.part {opened}\n')
    path.chmod(0o700)
    return path


@pytest.fixture
def server(library: Beets, program: Path) -> Iterator[WebServer]:
    with serving(library, browser=program) as server:
        yield server


@pytest.fixture
def other_site() -> Iterator[str]:
    """Serve an empty page on this machine, which fails if it is sent a cookie."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500 if self.headers["Cookie"] else 200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><link rel=icon href=data:,><title>other</title>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_private_file_leads_to_the_page(visit: Visit, opened: Path) -> None:
    visit.expected.add("file://")
    visit.wait(opened.exists)
    address = opened.read_text()
    assert visit.server.prefix not in address
    visit.page.goto(address)
    visit.wait(lambda: visit.page.url.startswith(visit.server.address))
    visit.ready()
    visit.press("a")
    visit.announced("Saved to file")


def test_wrong_tokens_and_foreign_hosts_are_refused(visit: Visit) -> None:
    server = visit.server
    visit.expected |= {403, 421, server.origin, "http://rebind.example"}
    answer = visit.page.goto(f"{server.origin}/{'x' * 32}/")
    assert answer
    assert answer.status == 403
    answer = visit.page.goto(f"http://rebind.example:{server.port}{server.prefix}")
    assert answer
    assert answer.status == 421
    assert "genre" not in visit.page.content().lower()
    visit.problems.clear()  # a warning about the host


def test_pages_of_other_sites_cannot_use_the_server(
    visit: Visit, library: Beets, other_site: str
) -> None:
    visit.go()
    visit.ready()
    visit.press("a")
    visit.announced("Accepted")
    rows = library.rows()
    visit.expected |= {other_site, "data:", visit.server.origin}
    answer = visit.page.goto(other_site)
    assert answer
    assert answer.status == 200
    outcomes = visit.page.evaluate(ATTACKS, visit.server.address)
    assert set(outcomes.values()) == {"failed"}, outcomes
    visit.page.evaluate(
        """(address) => {
            const frame = document.createElement("iframe");
            frame.src = address;
            document.body.append(frame);
        }""",
        visit.server.address,
    )
    visit.wait(lambda: len(visit.page.frames) == 2)
    visit.page.wait_for_timeout(300)
    assert visit.page.frames[1].locator("nav").count() == 0
    assert library.rows() == rows
    visit.problems.clear()  # the refusals, in the console
