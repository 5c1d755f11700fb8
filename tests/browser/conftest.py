"""End-to-end tests of the review page in headless Chromium: `make test-browser`.

The page must neither log to the console nor ask any other server, or the test fails. Failed
requests that a test provokes are in `Visit.expected`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mediafile import MediaFile

from tests import chromium
from tests.conftest import Beets, Prepared
from tests.sounds import make
from tests.web_client import WebServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_FLAGS = [
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP rebind.example 127.0.0.1",
    "--no-first-run",
]
_STATUS = re.compile(r"status of (\d+)")


@dataclass
class Visit:
    """A visitor of the page.

    expected: statuses of failed requests, and the only other addresses that may be asked.
    problems: everything else.
    """

    page: Page
    server: WebServer
    expected: set[int | str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def go(self, address: str = "#/review") -> None:
        self.page.goto(self.server.address + address)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def wait(self, condition: Callable[[], object], seconds: float = 15) -> None:
        """Wait until a condition holds; the page forbids what Playwright would use for that."""
        for _ in range(int(seconds * 20)):
            if condition():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"not within {seconds} s: {self.announcement()}")

    def announcement(self) -> str:
        return self.page.locator("#status").inner_text()

    def announced(self, text: str) -> None:
        self.wait(lambda: text in self.announcement())

    def title(self) -> str:
        """Return the title of the current track."""
        return self.page.locator(".tracks tr[aria-current=true] .title").inner_text()

    def ready(self) -> None:
        """Wait until the player has loaded the current track."""
        self.wait(lambda: self.page.locator(".play").is_enabled())

    def audio(self, name: str) -> Any:
        return self.page.evaluate(f"document.querySelector('audio').{name}")


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    if not request.config.getoption("--browser"):
        pytest.skip("needs Chromium: make test-browser")
    from playwright.sync_api import sync_playwright

    if not chromium.find():
        pytest.fail("Chromium is missing: install it, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        started = chromium.launch(playwright, *_FLAGS)
        yield started
        started.close()


def import_three_albums(beets: Beets) -> None:
    """Import and predict three albums of two tracks without genres."""
    beets.settings["genreclf"] |= {"auto": False, "policy": "never"}
    for number in range(6):
        path = make(beets.music / f"album {number // 2}" / f"tune {number}.mp3", 6, number)
        media = MediaFile(path)
        media.title, media.album, media.track = path.stem, path.parent.name, number % 2 + 1
        media.artist = media.albumartist = f"artist {number // 2}"
        media.save()
    beets.import_music()
    beets("genreclf", "-q")
    beets.settings["genreclf"]["policy"] = "replace"


@pytest.fixture(scope="session")
def collection(browser: Browser, prepared: Prepared) -> Beets:
    """Return the library for tests that do not change it."""
    return prepared(import_three_albums)


@pytest.fixture
def library(browser: Browser, prepared: Prepared) -> Beets:
    return prepared(import_three_albums)


@pytest.fixture(scope="module")
def unchanged(browser: Browser, prepared: Prepared) -> Iterator[WebServer]:
    """Serve the library to all tests of a module, which do not change it."""
    with serving(prepared(import_three_albums)) as server:
        yield server


@pytest.fixture
def visit(browser: Browser, server: WebServer, request: pytest.FixtureRequest) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(15_000)
    visit = Visit(page, server)

    def log(kind: str, text: str) -> None:
        status = _STATUS.search(text)
        if not (status and int(status[1]) in visit.expected):
            visit.problems.append(f"{kind}: {text}")

    page.on("console", lambda message: log(message.type, message.text))
    page.on("pageerror", lambda error: log("error", str(error)))

    def check(address: str) -> None:
        allowed = (server.address, "blob:", *(x for x in visit.expected if isinstance(x, str)))
        if not address.startswith(allowed):
            visit.problems.append(f"foreign request: {address}")

    page.on("request", lambda sent: check(sent.url))
    yield visit
    if folder := os.environ.get("BROWSER_PICTURES"):
        page.screenshot(path=Path(folder) / f"{request.node.name}.png")
    context.close()
    assert not visit.problems
