"""The pictures of the review page, taken in Chromium."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediafile import MediaFile
from PIL import Image

import demo
from tests import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page

REVIEWED = "AWOL - A Way Of Life"  # by AWOL, CC BY-NC-SA 3.0 US
TRIED = "Dracula Mountain"  # by Lightning Bolt, CC BY-NC-SA 3.0 US
SIZE: Any = {"width": 1280, "height": 720}
COLORS = 160


def draw(scratch: Path, images: Path) -> None:
    """Write `review.png`, `review-dark.png` and `try.png`, or print why not.

    scratch: an empty folder for a library. Its albums are those of the excerpts.
    """
    if not chromium.find():
        print("no pictures of the review page: they need Chromium")
        return
    from playwright.sync_api import sync_playwright

    scratch.mkdir()
    song = import_albums(scratch)
    with serving(scratch) as address, sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        schemes: Any = {"review.png": "light", "review-dark.png": "dark"}
        for name, scheme in schemes.items():
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)
            page.goto(f"{address}#/review?show=all&order=artist")
            page.locator(".albums a", has_text=REVIEWED).click()
            show_window(page)
            save(page.screenshot(), images / name)
        page = browser.new_page(viewport=SIZE)
        page.goto(f"{address}#/try")
        page.set_input_files("#file", song)
        show_window(page)
        save(page.screenshot(full_page=True), images / "try.png")
        browser.close()


def import_albums(scratch: Path) -> Path:
    """Import the excerpts, each in the folder of its album, and return the song to try."""
    excerpts = scratch / "excerpts"
    demo.extract_excerpts(excerpts)
    song = scratch / f"{TRIED}.mp3"
    for number, file in enumerate(sorted(excerpts.iterdir())):
        media = MediaFile(file)
        if media.title == TRIED:
            file.rename(song)
            continue
        folder = scratch / "music" / media.album.replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        file.rename(folder / f"{number}.mp3")
    demo.import_music(scratch)
    return song


@contextmanager
def serving(scratch: Path) -> Iterator[str]:
    """Run the server, and yield its address."""
    command = [sys.executable, "-m", "beets", "genreclf-web", "--no-browser"]
    environment = {**os.environ, "BEETSDIR": str(scratch)}
    with subprocess.Popen(
        command, cwd=scratch, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def show_window(page: Page) -> None:
    """Wait for the windows and the spectrogram, and mark the window in the middle."""
    window = page.locator(".lane button").nth(4)
    window.wait_for()
    page.locator(".picture:not(.loading)").wait_for()
    window.click()
    page.locator(".play[data-playing=true]").wait_for()
    page.locator(".play").click()
    page.locator(".top").hover()
    page.wait_for_timeout(500)  # transitions


def save(screenshot: bytes, file: Path) -> None:
    """Write a picture of few colors, which takes a fifth of the space."""
    with Image.open(io.BytesIO(screenshot)) as image:
        image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(file, optimize=True)
