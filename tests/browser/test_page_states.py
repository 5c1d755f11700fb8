"""States of the whole page: server gone and back, fallback model, many tracks without an album."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from beets.library import Item, Library

from tests.browser.conftest import Visit
from tests.conftest import Beets
from tests.web_client import WebServer, serving

SINGLETONS = 205  # more than a page


@pytest.fixture
def server(library: Beets) -> Iterator[WebServer]:
    """Serve on a port of its own: another test may get the default one when the server ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(library, "--port", str(port)) as server:
        yield server


def test_page_notices_that_the_server_ends_and_is_started_again(
    visit: Visit, library: Beets
) -> None:
    visit.go()
    visit.ready()
    assert visit.page.locator("#banners").inner_text() == ""
    assert visit.server.stop() == 0
    visit.press("j", "a")
    banner, main = visit.page.locator("#banners"), visit.page.locator("main")
    visit.wait(lambda: "start beet genreclf-web again" in banner.inner_text())
    assert main.get_attribute("inert") is not None
    with serving(library, "--port", str(visit.server.port)) as again:
        visit.wait(lambda: "no longer valid" in banner.inner_text())
        assert main.get_attribute("inert") is not None
        visit.expected.add(again.address)
        visit.page.goto(again.address)
        visit.ready()
        visit.page.goto("about:blank")
    visit.problems.clear()  # failed requests


class TestFallbackModel:
    @pytest.fixture
    def server(self, library: Beets) -> Iterator[WebServer]:
        library.settings["genreclf"]["backend"] = "knn"
        with serving(library) as server:
            yield server

    def test_is_named(self, visit: Visit) -> None:
        visit.go("#/try")
        banner = visit.page.locator("#banners")
        visit.wait(lambda: "fallback model" in banner.inner_text())


class TestTracksWithoutAnAlbum:
    @pytest.fixture
    def server(self, library: Beets) -> Iterator[WebServer]:
        file = library.files()[0]
        beets = Library(str(library.root / "library.db"), str(library.library))
        with beets.transaction():
            for number in range(SINGLETONS):
                beets.add(Item(title=f"single {number}", path=bytes(file)))
        beets._close()
        with serving(library) as server:
            yield server

    def test_come_in_pages(self, visit: Visit) -> None:
        visit.go("#/review/album/0?show=unpredicted")
        rows = visit.page.locator(".tracks tbody tr")
        visit.wait(lambda: rows.count() == 200)
        more = visit.page.get_by_role("button", name="More tracks")
        more.click()
        visit.wait(lambda: rows.count() == SINGLETONS)
        visit.wait(more.is_hidden)
        last = rows.last.get_attribute("data-id")
        visit.go("#/overview")
        visit.page.reload()
        visit.go(f"#/review/album/0/track/{last}?show=unpredicted")
        current = visit.page.locator(f'tr[aria-current=true][data-id="{last}"]')
        visit.wait(lambda: current.count() == 1)
