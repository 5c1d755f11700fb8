"""Training: progress, the report, Use, Discard and the previous model."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Visit
from tests.conftest import Beets, Prepared


def import_labeled(beets: Beets) -> None:
    """Import nine albums of a tune and a drum loop, in genres that the bundled model lacks."""
    beets.settings["genreclf"] |= {"auto": False, "policy": "never"}
    beets.add_collection(range(9))
    beets.import_music()
    beets("genreclf", "-q")
    beets.settings["genreclf"]["policy"] = "replace"


@pytest.fixture
def library(browser: object, prepared: Prepared) -> Beets:
    return prepared(import_labeled)


def train(visit: Visit) -> None:
    visit.go("#/train")
    visit.page.get_by_role("button", name="Train a model").click()
    visit.wait(lambda: visit.page.locator(".headline").is_visible(), 60)


def test_corrections_survive_the_use_of_a_model(visit: Visit, library: Beets) -> None:
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
    assert set(library.field("predicted_genre", "title:loop")) == {"My Loops"}
    assert library.field("genres", f"title:{title}") == ["Corrected"]
    visit.page.get_by_role("button", name="Switch to the previous model").click()
    visit.wait(lambda: "My Loops" not in library.field("predicted_genre", "title:loop"), 60)
    assert library.field("genres", f"title:{title}") == ["Corrected"]


def test_undo_of_new_predictions_asks_first(visit: Visit, library: Beets) -> None:
    train(visit)
    visit.page.get_by_role("button", name="Use this model").click()
    visit.wait(lambda: "in use" in visit.page.locator(".outcome").inner_text(), 60)
    used = library.rows()
    visit.go("#/review?show=all")
    visit.ready()
    visit.press("u")
    dialog = visit.page.get_by_role("dialog")
    visit.wait(dialog.is_visible)
    assert "18 tracks" in dialog.inner_text()
    visit.press("a", "Escape")
    visit.wait(lambda: visit.page.locator("dialog.ask").count() == 0)
    assert library.rows() == used
    visit.press("u")
    visit.page.get_by_role("button", name="Undo 18 tracks").click()
    visit.announced("Undone: 18 tracks restored")
    assert "My Loops" not in library.field("predicted_genre", "title:loop")


def test_training_can_be_stopped(visit: Visit, library: Beets) -> None:
    library("genreclf-cache", "--clear")
    before = library.rows()
    visit.go("#/train")
    visit.page.get_by_role("button", name="Train a model").click()
    visit.page.get_by_role("button", name="Stop").click()
    visit.wait(lambda: "Stopped" in visit.page.locator(".outcome").inner_text())
    visit.wait(visit.page.get_by_role("button", name="Train a model").is_enabled)
    assert library.rows() == before


def test_model_with_warnings_needs_a_tick(visit: Visit, library: Beets) -> None:
    # Too few artists to estimate the accuracy.
    library("modify", "--yes", "--nowrite", "artist::[3-8]", "artist=artist 0")
    train(visit)
    use = visit.page.get_by_role("button", name="Use this model")
    visit.wait(use.is_disabled)
    visit.page.get_by_label("Use it despite the warnings").check()
    visit.wait(use.is_enabled)


def test_discarding_changes_nothing(visit: Visit, library: Beets) -> None:
    before = library.rows()
    train(visit)
    visit.page.get_by_role("button", name="Discard").click()
    visit.wait(lambda: "discarded" in visit.page.locator(".outcome").inner_text())
    assert library.rows() == before
