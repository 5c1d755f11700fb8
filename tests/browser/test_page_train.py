"""Training: progress, the report, Use, Discard and the previous model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.conftest import Visit
from tests.conftest import Beets
from tests.web_client import WebServer, serving


@pytest.fixture(scope="module")
def labeled(browser: object, tmp_path_factory: pytest.TempPathFactory) -> Beets:
    """Nine albums of a tune and a drum loop, in genres that the bundled model lacks."""
    beets = Beets(tmp_path_factory.mktemp("train"))
    beets.settings["genreclf"] |= {"auto": False, "policy": "never"}
    beets.add_collection(range(9))
    beets.import_music()
    beets("genreclf", "-q")
    beets.settings["genreclf"]["policy"] = "replace"
    beets.keep()
    return beets


@pytest.fixture
def server(labeled: Beets) -> Iterator[WebServer]:
    labeled.restore()
    with serving(labeled) as server:
        yield server


def train(visit: Visit) -> None:
    visit.go("#/train")
    visit.page.get_by_role("button", name="Train a model").click()
    visit.wait(lambda: visit.page.locator(".headline").is_visible(), 60)


def test_corrections_survive_the_use_of_a_model(visit: Visit, labeled: Beets) -> None:
    visit.go("#/review?q=title:tune")
    visit.ready()
    title = visit.title()
    visit.press("c")
    visit.page.keyboard.type("Corrected")
    visit.press("Enter")
    visit.announced(f"Corrected {title}")
    train(visit)
    assert "My Tunes" in visit.page.locator(".job table").inner_text()
    if (tick := visit.page.get_by_label("Use it despite the warnings")).count():
        tick.check()
    visit.page.get_by_role("button", name="Use this model").click()
    visit.wait(lambda: "in use" in visit.page.locator(".outcome").inner_text(), 60)
    assert set(labeled.field("predicted_genre", "title:loop")) == {"My Loops"}
    assert labeled.field("genres", f"title:{title}") == ["Corrected"]
    visit.page.get_by_role("button", name="Switch to the previous model").click()
    visit.wait(lambda: "My Loops" not in labeled.field("predicted_genre", "title:loop"), 60)
    assert labeled.field("genres", f"title:{title}") == ["Corrected"]


def test_undo_of_new_predictions_asks_first(visit: Visit, labeled: Beets) -> None:
    train(visit)
    visit.page.get_by_role("button", name="Use this model").click()
    visit.wait(lambda: "in use" in visit.page.locator(".outcome").inner_text(), 60)
    used = labeled.rows()
    visit.go("#/review?show=all")
    visit.ready()
    visit.press("u")
    dialog = visit.page.get_by_role("dialog")
    visit.wait(dialog.is_visible)
    assert "18 tracks" in dialog.inner_text()
    visit.press("a", "Escape")
    visit.wait(lambda: visit.page.locator("dialog.ask").count() == 0)
    assert labeled.rows() == used
    visit.press("u")
    visit.page.get_by_role("button", name="Undo 18 tracks").click()
    visit.announced("Undone: 18 tracks restored")
    assert "My Loops" not in labeled.field("predicted_genre", "title:loop")


def test_training_can_be_stopped(visit: Visit, labeled: Beets) -> None:
    labeled("genreclf-cache", "--clear")
    before = labeled.rows()
    visit.go("#/train")
    visit.page.get_by_role("button", name="Train a model").click()
    visit.page.get_by_role("button", name="Stop").click()
    visit.wait(lambda: "Stopped" in visit.page.locator(".outcome").inner_text())
    assert visit.page.get_by_role("button", name="Train a model").is_enabled()
    assert labeled.rows() == before


def test_model_with_warnings_needs_a_tick(visit: Visit, labeled: Beets) -> None:
    # Too few artists to estimate the accuracy.
    labeled("modify", "--yes", "--nowrite", "artist::[3-8]", "artist=artist 0")
    train(visit)
    use = visit.page.get_by_role("button", name="Use this model")
    assert use.is_disabled()
    visit.page.get_by_label("Use it despite the warnings").check()
    assert use.is_enabled()


def test_discarding_changes_nothing(visit: Visit, labeled: Beets) -> None:
    before = labeled.rows()
    train(visit)
    visit.page.get_by_role("button", name="Discard").click()
    visit.wait(lambda: "discarded" in visit.page.locator(".outcome").inner_text())
    assert labeled.rows() == before
