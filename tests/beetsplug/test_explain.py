from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from genremodel.audio.params import SAMPLE_RATE
from tests.conftest import Beets, Prepared
from tests.sounds import write
from training.evaluation.long_tracks import read_samples


def import_one_track(beets: Beets) -> None:
    beets.add("a.flac", seconds=12)
    beets.import_music()


@pytest.fixture
def imported(prepared: Prepared) -> Beets:
    return prepared(import_one_track)


def test_explanation_changes_nothing(imported: Beets) -> None:
    rows = imported.rows()
    text = imported("genreclf-explain", "title:a")
    (genre,) = imported.field("predicted_genre")
    lines = text.splitlines()
    assert lines[0] == imported("ls").rstrip()
    assert lines[1].split()[0] == "0:00"
    assert len([line for line in lines if re.match(r"  \d:\d\d  ", line)]) == 10
    assert f"runs           0:00-0:12 {genre}\n" in text
    assert f"genre          {genre}\n" in text
    assert f"genres         none -> {genre.title()} (set by genreclf)\n" in text
    assert "policy         fill: no change\n" in text
    assert " (threshold 0.700)\n" in text
    assert imported.rows() == rows


def test_abstention_shows_threshold_and_most_probable_genres(imported: Beets) -> None:
    imported.settings["genreclf"]["min_confidence"] = 1
    text = imported("genreclf-explain", "title:a")
    assert "genre          none (low confidence)\n" in text
    assert " (threshold 1.000)\n" in text
    (line,) = [line for line in text.splitlines() if "most probable" in line]
    (first, second) = line.removeprefix("  most probable").split(",")
    assert float(first.split()[-1]) >= float(second.split()[-1])


def test_explanation_shows_the_spelling_in_tags(imported: Beets) -> None:
    (genre,) = imported.field("predicted_genre")
    imported.settings["genreclf"]["names"] = {genre: "Other Name"}
    text = imported("genreclf-explain", "title:a")
    assert f"genre          {genre}, written as Other Name\n" in text
    assert "policy         fill: Other Name\n" in text
    assert f"votes          {genre} " in text


def test_json(imported: Beets) -> None:
    imported.settings["genreclf"]["policy"] = "append"
    imported("modify", "--yes", "genres=Polka")
    (line,) = imported("genreclf-explain", "--json", "title:a").splitlines()
    explained = json.loads(line)
    assert explained["path"] == str(imported.files()[0])
    assert explained["genre"] == imported.field("predicted_genre")[0]
    assert len(explained["windows"]) == 10
    assert explained["min_confidence"] == 0.7
    assert explained["genres"] == {
        "policy": "append",
        "scope": "auto",
        "before": ["Polka"],
        "now": ["Polka"],
        "then": ["Polka", explained["genre"].title()],
        "agreement": explained["genres"]["agreement"],
        "review": None,
        "joint": None,
        "joint_objection": None,
        "skipped": False,
    }


def import_album(beets: Beets) -> None:
    for title, seed in {"a": 0, "b": 1}.items():
        beets.add(f"album/{title}.flac", seconds=6, seed=seed)
    beets.import_music()
    beets("modify", "--yes", "--album", "albumartist=Someone")


def test_explanation_says_why_the_album_does_not_decide(prepared: Prepared) -> None:
    beets = prepared(import_album)
    beets.settings["genreclf"]["min_confidence"] = 1

    def reason() -> str | None:
        lines = beets("genreclf-explain", "title:a").splitlines()
        shown = [line for line in lines if line.startswith("  album ")]
        explained = json.loads(beets("genreclf-explain", "--json", "title:a"))
        assert bool(shown) == bool(explained["genres"]["joint_objection"])
        return (
            shown[0].removeprefix("  album          does not decide, because ") if shown else None
        )

    assert reason() == "fewer than three quarters of its tracks are by the album artist"
    beets("modify", "--yes", "artist=Someone feat. Another")
    confidence = reason()
    assert confidence
    assert re.fullmatch(r"its confidence of 0\.\d{3} is below the threshold of 1\.000", confidence)
    beets("modify", "--yes", "--album", "comp=1")
    assert reason() == "it is a compilation"
    beets.settings["genreclf"]["compilations"] = True
    assert reason() == confidence
    beets("remove", "--force", "title:b")
    assert reason() == "fewer than two of its tracks vote"
    beets.settings["genreclf"]["scope"] = "track"
    assert reason() is None
    beets.settings["genreclf"] |= {"scope": "auto", "min_confidence": 0}
    assert reason() is None, "the track has a genre of its own"


def test_minutes_of_each_run_of_windows_with_one_genre(data: Path, beets: Beets) -> None:
    classical = read_samples(data / "emotify/classical/001.mp3")
    metal = read_samples(data / "gtzan-clips/metal/metal.00000.long.ogg")
    parts = np.concatenate([np.tile(classical, 3), np.tile(metal, 5)])
    write(beets.music / "two parts.flac", parts[np.newaxis], SAMPLE_RATE)
    middle, end = 3 * len(classical) / SAMPLE_RATE, len(parts) / SAMPLE_RATE
    beets.import_music("--singletons")
    (line,) = beets("genreclf-explain", "--json", "path::.").splitlines()
    explained = json.loads(line)
    first, second = explained["runs"]
    assert (first["genre"], second["genre"]) == ("classical", "metal")
    assert (first["start"], second["end"]) == (0, pytest.approx(end, abs=0.1))
    assert first["end"] == second["start"] == pytest.approx(middle, abs=end / 10)
    (runs,) = re.findall("  runs           (.*)\n", beets("genreclf-explain", "path::."))
    assert re.fullmatch(r"0:00-(\d:\d\d) classical, \1-\d:\d\d metal", runs)


def test_track_without_windows(imported: Beets) -> None:
    imported.add("short.flac", seconds=0.4)
    imported.import_music("--singletons")
    text = imported("genreclf-explain", "-f", "$title", "title:short")
    assert "runs" not in text
    assert text.startswith("short\n  genre          none (too short)\n")


def test_plot(imported: Beets) -> None:
    file = imported.root / "timeline.png"
    imported("genreclf-explain", "--plot", "timeline.png", "title:a")
    assert file.read_bytes().startswith(b"\x89PNG")
    before = file.stat().st_ino
    imported("genreclf-explain", "--plot", "timeline.png", "title:a")
    assert file.stat().st_ino != before, "drawn again"
    done = imported.run("genreclf-explain", "--plot", "no/folder/timeline.png", "title:a")
    assert done.returncode == 1
    assert "no/folder/timeline.png: " in done.stderr
    done = imported.run("genreclf-explain", "--plot", "timeline.png", "title:none")
    assert (done.returncode, done.stderr) == (0, "genreclf: No matching tracks.\n")
    imported.add("b.flac", seed=1)
    imported.import_music("--singletons")  # both, "a" for the second time
    done = imported.run("genreclf-explain", "--plot", "timeline.png", "title::.")
    assert done.returncode == 1
    assert "--plot draws one track; the query matches 3" in done.stderr


def test_plot_replaces_only_its_own_pictures(imported: Beets) -> None:
    from matplotlib.figure import Figure  # slow to import

    (song,) = imported.files()
    root = imported.root
    shutil.copy(song, root / "song.png")
    Figure().savefig(root / "other.png")
    (root / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
    (root / "link.png").symlink_to(song)
    for name in ("song.png", "other.png", "picture.png", "link.png"):
        content = (root / name).read_bytes() if (root / name).is_file() else None
        done = imported.run("genreclf-explain", "--plot", name, "title:a")
        assert done.returncode == 1
        assert f"{name}: exists and is " in done.stderr
        assert not done.stdout, "refused before anything was analyzed"
        assert content is None or (root / name).read_bytes() == content
    for name in ("library.db", "timeline.pdf", str(song), ""):
        done = imported.run("genreclf-explain", "--plot", name, "title:a")
        assert done.returncode == 1
        assert "the name must end with .png" in done.stderr
    assert not (root / "timeline.pdf").exists()


def test_plot_without_matplotlib(imported: Beets, tmp_path: Path) -> None:
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow/matplotlib.py").write_text("raise ImportError('no matplotlib')")
    imported.environment["PYTHONPATH"] = str(tmp_path / "shadow")
    done = imported.run("genreclf-explain", "--plot", "timeline.png", "title:a")
    assert done.returncode == 1
    assert "--plot needs matplotlib: pip install matplotlib" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_file(imported: Beets) -> None:
    shutil.rmtree(imported.library)
    done = imported.run("genreclf-explain", "title:a")
    assert done.returncode == 1
    assert "a.flac: No such file or directory" in done.stderr


def test_query_is_required(imported: Beets) -> None:
    done = imported.run("genreclf-explain")
    assert (done.returncode, done.stdout) == (1, "")
    assert "missing query: beet genreclf-explain QUERY" in done.stderr
    done = imported.run("genreclf-explain", "title:none")
    assert "No matching tracks." in done.stderr


def test_common_options(imported: Beets) -> None:
    (path,) = imported.files()
    assert imported("genreclf-explain", "-p", "title:a").splitlines()[0] == str(path)
    text = imported("genreclf-explain", "-a", "-f", "<$title>", "id:1")
    assert text.splitlines()[0] == "<a>"
    assert "No matching tracks." in imported.run("genreclf-explain", "-a", "id:2").stderr
