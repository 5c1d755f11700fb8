"""Try a song: a file that is not in the collection."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import Visit
from tests.conftest import Beets
from tests.sounds import make
from tests.web_client import WebServer


@pytest.fixture
def server(unchanged: WebServer) -> WebServer:
    return unchanged


def test_file_is_predicted_played_and_not_kept(
    visit: Visit, collection: Beets, tmp_path: Path
) -> None:
    before = collection.rows()
    visit.go("#/try")
    visit.page.set_input_files("#file", make(tmp_path / "song.wma", 8, 4))
    visit.wait(lambda: visit.page.locator(".result .genre").is_visible(), 30)
    assert visit.page.locator(".result .bars li").count() > 5
    assert visit.page.locator(".lane button").count() > 0
    visit.ready()
    visit.press("p")
    visit.wait(lambda: visit.audio("currentTime") > 0.5)
    assert collection.rows() == before


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


def test_files_that_are_not_audio_are_refused_with_a_sentence(
    visit: Visit, collection: Beets, tmp_path: Path
) -> None:
    song = collection.files()[0]
    visit.expected.add(422)
    visit.go("#/try")
    warning = visit.page.locator(".warning")
    contents = {
        "empty": b"",
        "zeros": b"\0" * 100_000,
        "text": b"no audio " * 1000,
        "ffconcat": f"ffconcat version 1.0\nfile {song}\n".encode(),
        "playlist": f"#EXTM3U\n{song}\n".encode(),
    }
    for name, content in contents.items():
        file = tmp_path / f"{name}.mp3"
        file.write_bytes(content)
        visit.page.set_input_files("#file", file)
        visit.wait(warning.is_visible)
        text = warning.inner_text()
        assert text.endswith("."), name
        assert len(text) > 10, name
        assert str(song.parent) not in text
        assert not visit.page.locator(".result").is_visible()
    visit.page.set_input_files("#file", make(tmp_path / "song.mp3", 4))
    visit.wait(lambda: visit.page.locator(".result .genre").is_visible(), 30)


def test_huge_file_is_refused_before_it_is_sent(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "huge.wav"
    with file.open("wb") as sparse:
        sparse.truncate((300 << 20) + 1)
    visit.go("#/try")
    sent: list[str] = []
    visit.page.on("request", lambda request: sent.append(request.method))
    visit.page.set_input_files("#file", file)
    visit.wait(lambda: "larger than 300 MB" in visit.page.locator(".warning").inner_text())
    assert "POST" not in sent
