"""Accessibility and layout: axe, 320 pixels, focus and reduced motion."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import Visit

SCREENS = ("review/album/1", "overview", "train", "history", "try")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (320, 640)], ids=["wide", "narrow"])
def test_screens_pass_axe_and_do_not_scroll_sideways(
    visit: Visit, scheme: Any, size: tuple[int, int]
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    visit.page.set_viewport_size({"width": size[0], "height": size[1]})
    visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for screen in SCREENS:
        visit.go(f"#/{screen}")
        visit.page.wait_for_timeout(800)
        assert visit.page.locator("h1").count() == 1
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= size[0], screen
        violations = Axe().run(visit.page).response["violations"]
        assert not violations, (screen, [(v["id"], v["nodes"][0]["target"]) for v in violations])


def test_focus_stays_on_the_row_and_returns_after_dialogs(visit: Visit) -> None:
    visit.go()
    visit.ready()
    focused = "document.activeElement.closest('tr')?.getAttribute('aria-current')"
    visit.press("j")
    visit.wait(lambda: visit.page.evaluate(focused) == "true")
    visit.press("?")
    assert visit.page.locator("dialog").is_visible()
    visit.press("Escape")
    assert visit.page.evaluate(focused) == "true"


def test_skip_link_leads_to_the_content(visit: Visit) -> None:
    visit.go()
    visit.ready()
    visit.page.evaluate("document.activeElement.blur()")
    visit.press("Tab", "Enter")
    assert visit.page.evaluate("document.activeElement.id") == "main"
