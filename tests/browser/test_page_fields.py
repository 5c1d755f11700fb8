"""Reviewing moods beside genres."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Visit
from tests.conftest import Beets, Prepared
from tests.predicted_moods import predict_moods


@pytest.fixture
def library(browser: object, prepared: Prepared) -> Beets:
    return prepared(predict_moods)


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
    field = visit.page.get_by_label("mood, separated by semicolons")
    assert field.get_attribute("placeholder") == "mood, separated by semicolons"
    visit.page.keyboard.type("odd; slow")
    visit.press("Enter")
    visit.announced(f"Corrected {title}: mood odd; slow.")
    assert library.field("mood", f"title:{title}") == ["odd; slow"]

    visit.press("c")
    genres = visit.page.get_by_label("Genres, separated by semicolons")
    assert genres.is_visible()
    visit.press("Escape")

    visit.press("j")
    visit.wait(lambda: visit.title() != title)
    mood.get_by_role("button", name="Keep empty: mood").click()
    visit.announced(f"Kept {visit.title()}: mood none.")
    assert library.field("mood_review", f"title:{visit.title()}") == ["kept"]
