"""Reviewing by keyboard: decisions in the database and in the files, undo, changes meanwhile."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from mutagen.id3 import ID3

from tests.browser.conftest import Visit
from tests.conftest import Beets

if TYPE_CHECKING:
    from playwright.sync_api import Route


def genres(beets: Beets, title: str) -> list[str]:
    """Return the genres in the file of a track, as plain mutagen reads them."""
    file = next(file for file in beets.files() if file.stem.endswith(title))
    frame = ID3(file).get("TCON")
    return list(frame.text) if frame else []


def review(beets: Beets, title: str) -> str:
    found = beets("ls", "-f", "$genre_review", f"title:{title}", "genre_review::.").split()
    return found[0] if found else ""


def start(visit: Visit) -> list[str]:
    """Open the page; return the titles of the two tracks of the first album."""
    visit.go()
    visit.ready()
    return visit.page.locator(".tracks .title").all_inner_texts()


def test_keys_accept_keep_and_correct(visit: Visit, library: Beets) -> None:
    first, second = start(visit)
    assert visit.title() == first
    predicted = visit.page.locator(".prediction .genre").inner_text()
    visit.press("a")
    visit.announced(f"Accepted {first}")
    assert "Saved to file" in visit.announcement()
    visit.wait(lambda: visit.title() == second)
    assert [name.lower() for name in genres(library, first)] == [predicted]
    assert review(library, first) == "accepted"

    visit.ready()
    visit.press("c")
    visit.page.keyboard.type("Dub; Roots Reggae")
    visit.press("Enter")
    visit.announced(f"Corrected {second}")
    assert genres(library, second) == ["Dub", "Roots Reggae"]
    assert review(library, second) == "corrected"

    visit.wait(lambda: visit.title() not in (first, second))  # the next album
    third = visit.title()
    visit.ready()
    visit.press("g")
    visit.announced(f"Kept {third}")
    assert genres(library, third) == []
    assert review(library, third) == "kept"
    visit.wait(lambda: visit.title() != third)
    fourth = visit.title()
    visit.ready()
    chip = visit.page.locator(".chip").nth(1).locator("span").inner_text()
    visit.press("2")
    visit.announced(f"Corrected {fourth}")
    assert genres(library, fourth) == [chip]


def test_undo_also_works_after_reloading(visit: Visit, library: Beets) -> None:
    first, _ = start(visit)
    visit.press("a")
    visit.announced(f"Accepted {first}")
    visit.page.reload()
    visit.ready()
    visit.press("u")
    visit.announced("Undone")
    visit.wait(lambda: visit.title() == first)
    assert genres(library, first) == []
    assert review(library, first) == ""


def test_keys_work_before_the_status_is_known(visit: Visit) -> None:
    held: list[Route] = []
    visit.page.route("**/api/status", lambda route: held.append(route))
    first, _ = start(visit)
    visit.press("a")
    visit.announced(f"Accepted {first}")
    visit.page.reload()
    visit.ready()
    visit.page.unroute("**/api/status")
    visit.press("u")
    visit.announced("Undone")


def test_one_key_accepts_an_album_as_one_run(visit: Visit, library: Beets) -> None:
    first, second = start(visit)
    visit.press("Control+Enter")
    visit.announced("Accepted 2 tracks")
    assert genres(library, first)
    assert genres(library, second)
    visit.go("#/history")
    runs = visit.page.locator("tbody tr")
    visit.wait(lambda: runs.count() == 1)
    runs.get_by_role("button").click()
    visit.announced("Undone: 2 tracks restored")
    assert not genres(library, first) + genres(library, second)
    visit.wait(lambda: "undone" in runs.inner_text())


def test_skipping_stores_nothing(visit: Visit, library: Beets) -> None:
    first, second = start(visit)
    before = library.rows()
    visit.press("s")
    visit.wait(lambda: visit.title() == second)
    assert library.rows() == before
    assert review(library, first) == ""


def test_track_changed_meanwhile_is_shown_again_and_not_written(
    visit: Visit, library: Beets
) -> None:
    first, _ = start(visit)
    library("modify", "--yes", f"title:{first}", "genres=Mine")
    visit.expected.add(409)
    visit.press("a")
    visit.announced("Changed meanwhile")
    assert genres(library, first) == ["Mine"]
    assert review(library, first) == ""
    visit.wait(lambda: "Mine" in visit.page.locator(".tracks tr[aria-current=true]").inner_text())
    visit.ready()
    visit.press("a")
    visit.announced(f"Accepted {first}")
    assert genres(library, first) != ["Mine"]


def test_album_changed_in_part_names_both_numbers(visit: Visit, library: Beets) -> None:
    library("modify", "--yes", "predicted_genre=jazz")
    visit.page.reload()
    first, second = start(visit)
    visit.wait(
        lambda: "Accept 2" in visit.page.get_by_role("button", name="confident").inner_text()
    )
    library("modify", "--yes", f"title:{second}", "genres=Mine")
    visit.press("Control+Enter")
    visit.announced("1 track saved, 1 not")
    assert review(library, first) == "accepted"
    assert genres(library, second) == ["Mine"]


def test_title_with_html_is_shown_as_text(visit: Visit, library: Beets) -> None:
    title = "<img src=x onerror=alert(1)>"
    library("modify", "--yes", "title:tune 0", f"title={title}")
    visit.go("#/review?show=all&q=onerror")
    visit.wait(lambda: visit.page.locator(".tracks .title").count() == 1)
    assert visit.title() == title
    assert visit.page.locator("main img").count() == 0


def test_letters_in_a_field_and_switched_off_keys_decide_nothing(
    visit: Visit, library: Beets
) -> None:
    first, _ = start(visit)
    before = library.rows()
    visit.press("/")
    visit.page.keyboard.type("agsu")
    visit.press("Escape")
    visit.press("?")
    visit.page.get_by_label("Single keys").uncheck()
    visit.press("Escape", "a", "g", "s", "1")
    visit.page.wait_for_timeout(500)
    assert visit.title() == first
    assert library.rows() == before
    visit.press("Control+Enter")
    visit.announced("Accepted 2 tracks")


def test_query_errors_and_empty_lists_are_explained(visit: Visit) -> None:
    visit.expected.add(400)
    visit.go("#/review?q=title::%5B")
    visit.wait(lambda: visit.page.locator(".problem").is_visible())
    visit.go("#/review?q=title:nothing")
    visit.wait(lambda: "No album matches" in visit.page.locator(".notice").inner_text())


def test_overview_leads_to_the_review(visit: Visit) -> None:
    visit.go("#/overview")
    visit.page.locator(".bars a").first.click()
    visit.wait(lambda: visit.page.locator(".tracks .title").count() > 0)
    assert "predicted_genre" in visit.page.get_by_label("Find").input_value()


def test_run_that_a_later_run_follows_names_it(visit: Visit, library: Beets) -> None:
    first, _ = start(visit)
    for genre in ("Dub", "Ska"):
        visit.press("k", "c")
        visit.page.keyboard.type(genre)
        visit.press("Enter")
        visit.announced(genre)
        visit.ready()
    visit.go("#/history")
    runs = visit.page.locator("tbody tr")
    visit.wait(lambda: runs.count() == 2)
    later = runs.first.get_attribute("data-run")
    visit.expected.add(409)
    runs.last.get_by_role("button").click()
    visit.wait(lambda: f"undo run {later} first" in runs.last.inner_text())
    assert genres(library, first) == ["Ska"]
    runs.first.get_by_role("button").click()
    visit.wait(lambda: "undone" in runs.first.inner_text())
    runs.last.get_by_role("button").click()
    visit.wait(lambda: "undone" in runs.last.inner_text())
    assert genres(library, first) == []


def test_undo_names_what_was_changed_since(visit: Visit, library: Beets) -> None:
    first, _ = start(visit)
    visit.press("a")
    visit.announced(f"Accepted {first}")
    library("modify", "--yes", f"title:{first}", "genres=Mine")
    visit.press("u")
    visit.announced(f"{first}: ")
    assert genres(library, first) == ["Mine"]


def test_decision_waits_while_another_command_uses_the_library(
    visit: Visit, library: Beets
) -> None:
    first, _ = start(visit)
    with closing(sqlite3.connect(library.root / "library.genre-journal.lock")) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        visit.press("a")
        visit.announced("Waiting for the library")
        assert review(library, first) == ""
    visit.announced(f"Accepted {first}")
    assert genres(library, first)


def test_missing_file_can_still_be_decided(visit: Visit, library: Beets) -> None:
    for file in library.files():
        file.rename(file.with_suffix(".moved"))
    visit.expected.add(404)
    visit.go()
    visit.wait(lambda: "missing" in visit.page.locator(".picture-note").inner_text())
    assert "file missing" in visit.page.locator(".tracks").inner_text()
    title = visit.title()
    visit.press("g")
    visit.announced(f"Kept {title}")


def test_late_answer_does_not_lead_back_from_another_screen(visit: Visit) -> None:
    start(visit)
    held: list[Route] = []
    visit.page.route(re.compile(r"api/albums/\d"), lambda route: held.append(route))
    visit.press("n")
    visit.wait(lambda: held)
    visit.go("#/history")
    visit.wait(lambda: visit.page.locator("h1").inner_text() == "History")
    with visit.page.expect_response(re.compile(r"api/tracks/\d+$")):  # of the next album
        held[0].continue_()
    assert visit.page.url.endswith("#/history")
