"""Reviewing moods beside genres."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genremodel.custom.store import ModelStore
from tests.browser.conftest import Visit
from tests.conftest import Beets, Prepared
from tests.moods import predict_moods


def predict_moods_and_more(beets: Beets) -> None:
    """Predict another field, too, and set values that do not fit in a line."""
    predict_moods(beets)
    models = ModelStore(beets.root / "library.genre-models")
    models.save(replace(models.load("mood"), name="zeal", field="zeal"))
    beets.settings["genreclf"]["other_models"] = ["mood", "zeal"]
    beets("genreclf", "-q", "artist::[678]")
    beets("modify", "--yes", "title:tune 8", f"mood={'x' * 300}", "predicted_zeal=<b>bold</b>")


@pytest.fixture
def library(browser: object, prepared: Prepared) -> Beets:
    return prepared(predict_moods_and_more)


def test_moods_are_accepted_corrected_and_undone(visit: Visit, library: Beets) -> None:
    visit.go("#/review?show=all&order=artist&q=artist:7")
    visit.ready()
    title = visit.title()
    mood = visit.page.get_by_role("group", name="mood", exact=True)
    value = "wild" if title.startswith("loop") else "calm"
    assert mood.inner_text().split()[:2] == ["mood", value]
    mood.get_by_role("button", name="Accept: mood").click()
    visit.announced(f"Accepted {title}: mood {value}. Saved in the database only.")
    assert visit.title() == title
    assert library.field("mood", f"title:{title}") == [value]
    assert mood.get_by_role("button").count() == 0
    assert mood.inner_text().split()[:3] == ["mood", value, "(accepted)"]

    visit.press("u")
    visit.announced("Undone:")
    assert library.field("mood", f"title:{title}") == ["$mood"]
    mood.get_by_role("button", name="Correct: mood").click()
    visit.press("Escape")
    assert focused(visit) == "Correct: mood"
    visit.press("Enter")
    field = visit.page.get_by_label("mood, separated by semicolons")
    assert field.get_attribute("placeholder") == "mood, separated by semicolons"
    visit.page.keyboard.type("odd; slow")
    visit.press("Enter")
    visit.announced(f"Corrected {title}: mood odd; slow.")
    assert library.field("mood", f"title:{title}") == ["odd; slow"]
    visit.wait(lambda: focused(visit) == "Accept: zeal")

    visit.press("c")
    genres = visit.page.get_by_label("Genres, separated by semicolons")
    assert genres.is_visible()
    visit.press("Escape")

    visit.press("j")
    visit.wait(lambda: visit.title() != title)
    mood.get_by_role("button", name="Keep empty: mood").click()
    visit.announced(f"Kept {visit.title()}: mood none.")
    assert library.field("mood_review", f"title:{visit.title()}") == ["kept"]

    visit.go("#/history")
    visit.page.get_by_role("cell", name="Kept: mood").wait_for()


def test_long_values_are_wrapped(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 360, "height": 740})
    visit.go("#/review?show=all&order=artist&q=title:tune 8")
    visit.page.get_by_role("link", name="album 8").click()
    visit.ready()
    zeal = visit.page.get_by_role("group", name="zeal", exact=True)
    assert "<b>bold</b>" in zeal.inner_text()
    width, visible = visit.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width == visible


def focused(visit: Visit) -> str | None:
    """Return the label of the focused control."""
    label: str | None = visit.page.evaluate("document.activeElement.ariaLabel")
    return label
