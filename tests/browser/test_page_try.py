"""Try a song: a file that is not in the library."""

from __future__ import annotations

from pathlib import Path

from tests.browser.conftest import Visit
from tests.conftest import Beets
from tests.sounds import make


def test_file_is_predicted_played_and_not_kept(
    visit: Visit, library: Beets, tmp_path: Path
) -> None:
    before = library.rows()
    visit.go("#/try")
    visit.page.set_input_files("#file", make(tmp_path / "song.wma", 8, 4))
    visit.wait(lambda: visit.page.locator(".result .genre").is_visible(), 30)
    assert visit.page.locator(".result .bars li").count() > 5
    assert visit.page.locator(".lane button").count() > 0
    visit.ready()
    visit.press("p")
    visit.wait(lambda: visit.audio("currentTime") > 0.5)
    assert library.rows() == before


def test_dropped_file_is_predicted(visit: Visit, tmp_path: Path) -> None:
    visit.go("#/try")
    content = make(tmp_path / "song.mp3", 6, 4).read_bytes()
    data = visit.page.evaluate_handle(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "dropped.mp3"));
            return data;
        }""",
        list(content),
    )
    visit.page.dispatch_event(".drop", "drop", {"dataTransfer": data})
    visit.wait(lambda: visit.page.locator(".result .genre").is_visible(), 30)
    assert visit.page.locator(".result h2").first.inner_text() == "dropped.mp3"


def test_garbage_gets_a_sentence(visit: Visit, tmp_path: Path) -> None:
    visit.expected.add(422)
    (tmp_path / "garbage.mp3").write_bytes(b"no audio " * 1000)
    visit.go("#/try")
    visit.page.set_input_files("#file", tmp_path / "garbage.mp3")
    visit.wait(lambda: visit.page.locator(".warning").is_visible(), 30)
    assert len(visit.page.locator(".warning").inner_text()) > 10
