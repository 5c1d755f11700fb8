"""Playing: the clock, the playhead, windows, seeking, and every format of the README."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.conftest import Visit
from tests.conftest import Beets
from tests.sounds import CONTAINERS
from tests.web_client import WebServer, serving


@pytest.fixture
def server(unchanged: WebServer) -> WebServer:
    return unchanged


def test_playhead_follows_the_audio(visit: Visit) -> None:
    visit.go()
    visit.ready()
    visit.press("p")
    visit.wait(lambda: visit.audio("currentTime") > 0.5)
    head = "document.querySelector('.playhead').style.getPropertyValue('--x')"
    assert float(visit.page.evaluate(head)) > 0
    visit.press(" ")
    assert visit.audio("paused")


def test_click_in_the_spectrogram_plays_there(visit: Visit) -> None:
    visit.go()
    visit.ready()
    box = visit.page.locator(".picture").bounding_box()
    assert box
    visit.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    visit.wait(lambda: not visit.audio("paused"))
    assert 2.5 < visit.audio("currentTime") < 4.5  # of 6 seconds


def test_windows_can_be_chosen_and_the_current_one_is_marked(visit: Visit) -> None:
    visit.go()
    visit.ready()
    window = visit.page.locator(".lane button").last
    label = window.get_attribute("aria-label")
    window.click()
    visit.wait(lambda: not visit.audio("paused"))
    current = visit.page.locator(".lane button[aria-current=true]")
    visit.wait(lambda: current.count() == 1)
    assert current.get_attribute("aria-label") == label
    visit.press("p")
    stopped = visit.audio("currentTime")
    visit.press(",")
    visit.wait(lambda: visit.audio("currentTime") < stopped - 0.5)


def test_spectrogram_is_drawn(visit: Visit) -> None:
    visit.go()
    visit.ready()
    size = "document.querySelector('.picture canvas').toDataURL().length"
    visit.wait(lambda: visit.page.evaluate(size) > 20_000)  # of an empty one: under 10,000


@pytest.fixture(scope="module")
def every_container(browser: object, tmp_path_factory: pytest.TempPathFactory) -> Beets:
    beets = Beets(tmp_path_factory.mktemp("containers"))
    beets.settings["genreclf"] |= {"auto": False}
    beets.add_every_container()
    beets.import_music()
    beets("genreclf", "-q")
    beets.keep()
    return beets


class TestEveryFormat:
    @pytest.fixture
    def server(self, every_container: Beets) -> Iterator[WebServer]:
        with serving(every_container) as server:
            yield server

    def test_plays_and_seeks(self, visit: Visit) -> None:
        tracks = visit.server.json("api/albums?show=all")["albums"]
        ids = [
            track["id"]
            for album in tracks
            for track in visit.server.json(f"api/albums/{album['id']}")["tracks"]
        ]
        assert len(ids) == len(CONTAINERS)
        for id_ in ids:
            play_and_seek(visit, id_)


def play_and_seek(visit: Visit, track: int) -> None:
    album = visit.server.json(f"api/tracks/{track}")["album_id"]
    visit.go(f"#/review/album/{album}/track/{track}?show=all")
    row = visit.page.locator(f'.tracks tr[aria-current=true][data-id="{track}"]')
    visit.wait(lambda: row.count() == 1)
    visit.ready()
    visit.page.get_by_label("Autoplay").uncheck()
    visit.page.locator(".play").click()
    visit.wait(lambda: visit.audio("currentTime") > 0.2)
    half = visit.audio("duration") / 2
    assert half > 0.4, track
    visit.page.evaluate(f"document.querySelector('audio').currentTime = {half}")
    visit.wait(lambda: visit.audio("currentTime") > half)
    visit.page.evaluate("document.querySelector('audio').pause()")
