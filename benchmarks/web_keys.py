"""Count the keys that a review takes, by reviewing in Chromium: `python -m benchmarks.web_keys`.

There are 20 albums of 10 tracks, all with a confident prediction. A key with a modifier counts as
one key. The time is that of the page and the server alone: the next key is pressed as soon as the
page is ready for it. Needs the extra `web` and the dependency group `browser`.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mediafile import MediaFile

from tests import chromium
from tests.conftest import Beets
from tests.sounds import make
from tests.web_client import WebServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_ALBUMS = 20
_TRACKS = 10  # of an album
_PREDICTION = {"genre_model": "bundled-cnn-4", "predicted_genre": "jazz", "genre_confidence": "0.9"}
_ACCEPT, _KEEP, _CORRECT, _SKIP, _NEXT = "a", "g", "2", "s", "j"
_ACCEPT_ALBUM = "Control+Enter"
_WAIT_SECONDS = 30
_PLACE = """() => [
  document.querySelector("#album-title").textContent,
  document.querySelector(".tracks tr[aria-current=true] .title").textContent,
  document.querySelector("#status").textContent.startsWith("No open tracks"),
].join()"""


def all_accepted() -> Iterator[str]:
    """Yield the keys that accept all predictions."""
    for _ in range(_ALBUMS):
        yield _ACCEPT_ALBUM


def tenth_corrected() -> Iterator[str]:
    """Yield the keys that correct one track of each album by a digit, and accept the others."""
    chosen = random.Random(0)
    for _ in range(_ALBUMS):
        for _ in range(chosen.randrange(_TRACKS)):
            yield _NEXT
        yield _CORRECT
        yield _ACCEPT_ALBUM


def mixed() -> Iterator[str]:
    """Yield the keys that decide track by track: of ten, 6 accepted, 2 kept, 1 each of the others.

    These are corrected by a digit, and skipped.
    """
    chosen = random.Random(0)
    for _ in range(_ALBUMS):
        keys = [_ACCEPT] * 6 + [_KEEP] * 2 + [_CORRECT, _SKIP]
        chosen.shuffle(keys)
        yield from keys


CASES = {  # and how many tracks are accepted, kept and corrected afterwards
    "all accepted, album by album": (all_accepted, (200, 0, 0)),
    "one of ten corrected, the others accepted": (tenth_corrected, (180, 0, 20)),
    "of ten: 6 accepted, 2 kept, 1 corrected, 1 skipped": (mixed, (120, 40, 20)),
}


def main() -> None:
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder) / "library"
        root.mkdir()
        beets = Beets(root)
        add_albums(beets)
        beets.keep()
        browser = chromium.launch(playwright)
        for name, (keys, expected) in CASES.items():
            beets.restore()
            with serving(beets, in_fork=False) as server:
                pressed, seconds = review(browser, server, [*keys()])
                labels = server.json("api/status")["labels"]
                assert (labels["accepted"], labels["kept"], labels["corrected"]) == expected
            print(f"{name:<52} {pressed} keys, {seconds:.1f} s", flush=True)
        browser.close()


def add_albums(beets: Beets) -> None:
    """Import albums, and store predictions of all tracks."""
    beets.settings["genreclf"] |= {"auto": False, "policy": "replace", "threads": 2}
    for number in range(_ALBUMS * _TRACKS):
        album = f"album {number // _TRACKS:02}"
        media = MediaFile(make(beets.music / album / f"track {number:03}.mp3", 4, number))
        media.title, media.album, media.track = f"track {number:03}", album, number % _TRACKS + 1
        media.artist = media.albumartist = f"artist {album}"
        media.genres = ["Rock"]
        media.save()
    beets.import_music()
    with closing(sqlite3.connect(beets.root / "library.db")) as database, database:
        database.executemany(
            "INSERT INTO item_attributes (entity_id, key, value) SELECT id, ?, ? FROM items",
            _PREDICTION.items(),
        )


def review(browser: Browser, server: WebServer, keys: list[str]) -> tuple[int, float]:
    """Press keys; return how many, and how many seconds it took."""
    page = browser.new_page()
    page.goto(f"{server.address}#/review")
    page.locator(".tracks tr[aria-current=true]").wait_for()
    began = time.perf_counter()
    for key in keys:
        press(page, key)
    seconds = time.perf_counter() - began
    page.close()
    return len(keys), seconds


def press(page: Page, key: str) -> None:
    """Press a key, and wait until the page shows another track, or that it was the last one."""
    before, end = page.evaluate(_PLACE), time.monotonic() + _WAIT_SECONDS
    page.keyboard.press(key)
    while page.evaluate(_PLACE) == before:
        assert time.monotonic() < end, f"{key}: {page.locator('#status').inner_text()}"
        page.wait_for_timeout(5)


if __name__ == "__main__":
    main()
