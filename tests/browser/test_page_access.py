"""Accessibility and layout: axe, 320 pixels, focus and reduced motion."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.web_client import WebServer

# An address and a part of the screen that is there once it is complete.
SCREENS = {
    "review/album/1": ".lane button",
    "review?q=title:nothing": ".notice p",
    "overview": ".bars a",
    "train": ".figures",
    "history": "main .empty, main tr",
    "try": ".drop",
}


@pytest.fixture
def server(unchanged: WebServer) -> WebServer:
    return unchanged


def screens(visit: Visit) -> Iterator[str]:
    """Open one screen after the other."""
    for screen, part in SCREENS.items():
        visit.go(f"#/{screen}")
        visit.wait(visit.page.locator(part).first.is_visible)
        yield screen


def violations(visit: Visit) -> list[Any]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(visit.page).response["violations"]
    return [(x["id"], x["nodes"][0]["target"]) for x in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (320, 640)], ids=["wide", "narrow"])
def test_screens_pass_axe_and_do_not_scroll_sideways(
    visit: Visit, scheme: Any, size: tuple[int, int]
) -> None:
    visit.page.set_viewport_size({"width": size[0], "height": size[1]})
    visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for screen in screens(visit):
        assert visit.page.locator("h1").count() == 1
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= size[0], screen
        assert not violations(visit), screen
    visit.press("?")
    assert not violations(visit)


def test_text_of_twice_the_size_does_not_scroll_sideways(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 640, "height": 800})
    for screen in screens(visit):
        visit.page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 640, screen


def test_selection_is_visible_in_forced_colors(visit: Visit) -> None:
    visit.page.emulate_media(forced_colors="active")
    outline = "getComputedStyle(document.querySelector({!r})).outlineStyle"
    for _ in screens(visit):
        assert not violations(visit)
        for part in (".tracks tr[aria-current]", ".albums a[aria-current]"):
            if visit.page.locator(part).count():
                assert visit.page.evaluate(outline.format(part)) == "solid"


def test_reduced_motion_keeps_the_playhead_still_between_steps(visit: Visit) -> None:
    visit.page.emulate_media(reduced_motion="reduce")
    visit.go()
    visit.ready()
    visit.press("p")
    visit.wait(lambda: visit.audio("currentTime") > 0.3)
    head = "document.querySelector('.playhead').style.getPropertyValue('--x')"
    began = time.monotonic()
    places = set()
    while time.monotonic() < began + 1:
        places.add(visit.page.evaluate(head))
    assert 1 < len(places) <= 6  # four a second
    style = "getComputedStyle(document.querySelector('#status')).transitionDuration"
    assert visit.page.evaluate(style) == "0s"


def test_lists_have_one_tab_stop(visit: Visit) -> None:
    visit.go()
    visit.ready()
    for rows in (".albums a", ".tracks tbody tr", ".lane button"):
        stops = visit.page.locator(f'{rows}[tabindex="0"]')
        assert stops.count() == 1, rows
    albums = visit.page.locator(".albums a")
    albums.first.focus()
    visit.press("ArrowDown")
    assert visit.page.evaluate("document.activeElement.dataset.id") == albums.nth(1).get_attribute(
        "data-id"
    )
    visit.page.locator(".lane button").first.focus()
    visit.press("ArrowRight")
    assert visit.page.evaluate("document.activeElement.matches('.lane button:nth-child(2)')")


def test_shortcuts_are_complete(visit: Visit) -> None:
    """Every key of a button is in the table."""
    visit.go()
    visit.ready()
    keys = {
        element.get_attribute("aria-keyshortcuts")
        for element in visit.page.locator("[aria-keyshortcuts]").all()
    }
    visit.page.locator("#help").click()
    table = visit.page.locator("dialog").inner_text()
    for key in sorted(key for key in keys if key):
        assert key.replace("Control+Enter", "Ctrl Enter") in table or key in "123456789", key
    assert "1 to 9" in table
    visit.page.get_by_role("button", name="Close").click()
    assert visit.page.evaluate("document.activeElement.id") == "help"


def test_focus_stays_on_the_row_and_returns_after_dialogs(visit: Visit) -> None:
    visit.go()
    visit.ready()
    focused = "document.activeElement.closest('tr')?.getAttribute('aria-current')"
    visit.press("j")
    visit.wait(lambda: visit.page.evaluate(focused) == "true")
    visit.press("?")
    visit.wait(visit.page.locator("dialog").is_visible)
    visit.press("Escape")
    assert visit.page.evaluate(focused) == "true"


def test_skip_link_leads_to_the_content(visit: Visit) -> None:
    visit.go()
    visit.ready()
    visit.page.evaluate("document.activeElement.blur()")
    visit.press("Tab", "Enter")
    assert visit.page.evaluate("document.activeElement.id") == "main"
