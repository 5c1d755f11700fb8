"""`beet genreclf`, and beets' own commands on the fields that it sets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import mutagen
import pytest
from mediafile import MediaFile

from tests.conftest import Beets, Prepared
from tests.platforms import posix
from tests.sounds import CONTAINERS
from tests.tags import OURS, our_tags, plain_tags


def import_without_plugin(beets: Beets) -> None:
    for number, kind in enumerate(("flac", "mp3", "m4a")):
        beets.add(f"{number}.{kind}", seed=number)
    beets.settings["plugins"] = []
    beets.import_music()
    beets.settings["plugins"] = ["genreclf"]
    beets("genreclf", "--pretend")  # all of it is in the cache


@pytest.fixture
def unclassified(prepared: Prepared) -> Beets:
    """Return a library that was imported before the plugin was enabled."""
    return prepared(import_without_plugin)


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_library_is_classified_once(unclassified: Beets) -> None:
    unclassified("genreclf", "title:0")
    assert unclassified.field("genre_model") == ["bundled-cnn-4", "$genre_model", "$genre_model"]
    done = unclassified.run("genreclf")
    assert done.returncode == 0
    assert "- 0: " not in done.stdout, "a track was changed twice"
    assert "2 tracks updated, 0 unchanged, 0 abstained, 0 failed, 2 files written" in done.stderr
    assert set(unclassified.field("genre_model")) == {"bundled-cnn-4"}
    for path, genre in zip(
        unclassified.files(), unclassified.field("predicted_genre"), strict=True
    ):
        assert our_tags(path).get("predicted_genre", "") == genre


def test_pretend_changes_nothing(unclassified: Beets) -> None:
    before = snapshot(unclassified.library)
    done = unclassified.run("genreclf", "--pretend")
    assert done.returncode == 0
    assert "3 tracks to update, 0 unchanged, 0 abstained, 0 failed\n" in done.stderr
    assert done.stdout.count("  + ") + done.stdout.count("genres:  -> ") == 4, "tracks and album"
    assert snapshot(unclassified.library) == before
    assert set(unclassified.field("genre_model")) == {"$genre_model"}


def test_pretend_shows_genres_and_how_often_they_change(unclassified: Beets) -> None:
    unclassified.settings["genreclf"] |= {"policy": "replace", "min_confidence": 0}
    unclassified.settings["ui"] = {"color": False}
    unclassified("modify", "--yes", "title:0", "genres=Old; Older")
    shown = unclassified("genreclf", "--pretend")
    assert "genre_confidence" not in shown
    rows = re.findall(r"^ *(\d+)  (.* -> .*)$", shown, re.MULTILINE)
    assert shown.endswith(f"{rows[-1][1]}\n")
    counts = {change: int(count) for count, change in rows}
    assert sum(counts.values()) == 3
    assert sum(change.startswith("(none) -> ") for change in counts) in (1, 2)
    assert sum(change.startswith("Old; Older -> ") for change in counts) == 1
    quiet = unclassified("genreclf", "--pretend", "--quiet")
    assert re.findall(r"^ *(\d+)  (.* -> .*)$", quiet, re.MULTILINE) == rows
    assert len(quiet.splitlines()) == len(rows)
    verbose = unclassified.run("-v", "genreclf", "--pretend").stdout
    assert verbose.count("  genre_confidence: ") == 3
    assert verbose.count("  album_genre_confidence: ") == 1
    assert "genre_journal_id" not in verbose


def test_tracks_are_printed_in_the_format_of_the_user(unclassified: Beets) -> None:
    unclassified.settings |= {"format_item": "<$title>", "format_album": "<album>"}
    unclassified.settings["genreclf"]["min_confidence"] = 0
    printed = unclassified("genreclf").splitlines()
    predicted = unclassified("ls", "-f", "<$title>: $predicted_genre ($genre_confidence)", "title+")
    assert printed[:3] == predicted.splitlines()
    assert printed[3].startswith("<album>: ")
    assert unclassified("genreclf", "--force", "--quiet") == ""


def test_abstentions_show_the_two_most_probable_genres(unclassified: Beets) -> None:
    unclassified.settings["genreclf"]["min_confidence"] = 1
    done = unclassified.run("genreclf", "title:0")
    (line,) = [line for line in done.stdout.splitlines() if " - 0: " in line]
    assert re.search(r"no genre, low confidence \(0\.\d{3}\): \D+ 0\.\d\d, \D+ 0\.\d\d$", line)
    assert "0 tracks updated, 0 unchanged, 1 abstained, 0 failed, 1 file written" in done.stderr


def test_album_option_selects_all_tracks_of_albums(unclassified: Beets) -> None:
    unclassified("modify", "--yes", "--album", "album=Some Album")
    assert "No matching tracks." in unclassified.run("genreclf", "-a", "album:other").stderr
    done = unclassified.run("genreclf", "-a", "album:some")
    assert done.returncode == 0
    assert set(unclassified.field("genre_model")) == {"bundled-cnn-4"}


@pytest.mark.parametrize("word", ["undo", "explain", "train", "similar", "cache", "web"])
def test_name_of_another_command_is_not_a_query(word: str, unclassified: Beets) -> None:
    before = unclassified.rows()
    done = unclassified.run("genreclf", word)
    assert done.returncode == 1
    assert (
        f"Did you mean `beet genreclf-{word}`? To search for the word, use "
        f"`beet genreclf title:{word}`"
    ) in done.stderr
    assert unclassified.rows() == before
    assert "Did you mean" not in unclassified.run("genreclf", word, "title:0").stderr


@pytest.mark.parametrize(
    ("write", "option", "expected"),
    [("auto", None, True), (False, None, False), (False, "-w", True), (True, "-W", False)],
)
def test_write_options(
    write: object, option: str | None, expected: bool, unclassified: Beets
) -> None:
    unclassified.settings["genreclf"]["write"] = write
    unclassified("genreclf", *([option] if option else []))
    assert set(unclassified.field("genre_model")) == {"bundled-cnn-4"}
    assert [bool(our_tags(path)) for path in unclassified.files()] == [expected] * 3


def test_force_classifies_again(unclassified: Beets) -> None:
    unclassified("genreclf")
    unclassified("modify", "--yes", "title:0", "predicted_genre=mine")
    unclassified("genreclf")
    assert unclassified.field("predicted_genre")[0] == "mine"
    unclassified("genreclf", "--force")
    assert unclassified.field("predicted_genre")[0] != "mine"


def test_unreadable_files_are_reported_and_the_rest_is_classified(unclassified: Beets) -> None:
    damaged, gone, fine = unclassified.files()
    damaged.write_bytes(b"not audio")
    gone.unlink()
    done = unclassified.run("genreclf")
    assert done.returncode == 1
    assert f"{damaged}: no audio stream" in done.stderr
    assert f"{gone}: No such file" in done.stderr
    assert our_tags(fine)


@posix
def test_terminal_shows_progress(unclassified: Beets) -> None:
    unclassified.write_settings()
    ours, terminal = os.openpty()
    command = subprocess.Popen(
        [sys.executable, "-m", "beets", "genreclf"],
        env={**os.environ, "BEETSDIR": str(unclassified.root), "COLUMNS": "80"},
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # the terminal is closed
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert command.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "3/3" in text
    speeds = [float(speed) for speed in re.findall(r"([0-9.]+) tracks/s", text)]
    assert max(speeds, default=0) < 10_000, "the tracks of an album are counted at once"


@posix
def test_standard_error_may_be_closed(unclassified: Beets) -> None:
    unclassified.write_settings()
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m beets genreclf 2>&-"],
        env={**os.environ, "BEETSDIR": str(unclassified.root)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert set(unclassified.field("genre_model")) == {"bundled-cnn-4"}


def test_unwritable_file_is_reported(unclassified: Beets) -> None:
    """A stray null byte hides a FLAC file from mutagen; FFmpeg finds it all the same."""
    path = unclassified.files()[0]
    path.write_bytes(b"\0" + path.read_bytes())
    with pytest.raises(mutagen.MutagenError):
        mutagen.File(path)
    done = unclassified.run("genreclf")
    assert done.returncode == 1
    assert path.name in done.stderr
    assert "Traceback" not in done.stderr
    assert set(unclassified.field("genre_model")) == {"bundled-cnn-4"}, "a prediction was lost"


def test_tags_follow_the_values(beets: Beets) -> None:
    def names() -> dict[str, set[str]]:
        """Return which of our tags each file has."""
        files = beets.file_by_container()
        assert files.keys() == {*CONTAINERS}
        tags = {kind: plain_tags(path) for kind, path in files.items()}
        return {kind: set(OURS) & {name.lower() for name in tags[kind]} for kind in files}

    beets.settings["genreclf"] = {"auto": False, "threads": 1}
    beets.add_every_container()
    beets.import_music("--singletons")
    beets("modify", "--yes", "artist=Someone")
    for kind, found in names().items():
        assert not found, f"{kind}: a track never analyzed got tags"
    beets("genreclf", "--write")
    for kind, found in names().items():
        assert "genre_model" in found, kind
    beets("modify", "--yes", "predicted_genre=", "genre_confidence!", "predicted_styles=")
    for kind, found in names().items():
        assert found == {"genre_model"}, kind
    for kind, value in beets.field_by_container("genre_confidence").items():
        # Silence has an empty value, whose removal is no change for beets.
        assert value == ("" if kind == "ape" else "$genre_confidence"), kind
    beets("modify", "--yes", "genre_model!")
    for kind, found in names().items():
        assert not found, kind


def test_write_keeps_tags_that_the_database_does_not_know(
    unclassified: Beets,
) -> None:
    file = mutagen.File(unclassified.files()[0])
    file["predicted_genre"] = "polka"
    file.save()
    unclassified("modify", "--yes", "--nomove", "title:0", "artist=Someone")
    assert our_tags(unclassified.files()[0]) == {"predicted_genre": "polka"}


def test_update_reads_what_another_program_changed(beets: Beets) -> None:
    path = beets.add("a.flac", seconds=12)
    beets.import_music()
    (path,) = beets.files()
    assert beets("update") == "", "our own writing looks like a change"
    file = mutagen.File(path)
    file["predicted_genre"], file["genre_confidence"] = "polka", "0.125"
    file.save()
    os.utime(path, (time.time() + 5, time.time() + 5))
    beets("update")
    assert beets.field("predicted_genre") == ["polka"]
    assert beets.field("genre_confidence") == ["0.125"]
    del file["genre_confidence"]
    file.save()
    os.utime(path, (time.time() + 9, time.time() + 9))
    beets("update")
    assert beets.field("genre_confidence") == [""]
    assert beets.field("id", "genre_confidence:0..") == []


def test_invalid_option_is_reported(unclassified: Beets) -> None:
    unclassified.settings["genreclf"] = {"aggregation": "plurality"}
    done = unclassified.run("genreclf")
    assert done.returncode == 1
    assert "genreclf.aggregation" in done.stderr
    assert "Traceback" not in done.stderr


def test_plugin_imports_nothing_slow_at_start(unclassified: Beets) -> None:
    heavy = {"numpy", "av", "onnxruntime", "librosa", "sklearn", "scipy", "genremodel"}
    code = (
        "import sys; from beets.ui import main; main(['ls']); "
        f"print('imported', sorted({heavy!r} & set(sys.modules)))"
    )

    def imported() -> str:
        unclassified.write_settings()
        return subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "BEETSDIR": str(unclassified.root)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]

    with_plugin = imported()
    unclassified.settings["plugins"] = []
    assert with_plugin == imported(), "the plugin imports more than beets itself"


def test_classified_tracks_are_not_changed(beets: Beets) -> None:
    """An as-is import of several artists: beets sets fields that it does not write."""
    beets.settings["genreclf"] = {"threads": 1}
    for number in range(3):
        path = beets.add(f"{number}.mp3", seed=number)
        media = MediaFile(path)
        media.artist, media.album = f"Artist {number}", "Various"
        media.save()
    beets.import_music()
    before = snapshot(beets.library)
    for options in (["-p"], []):
        done = beets.run("genreclf", *options)
        assert done.stderr == (
            "genreclf: nothing to do: 3 matching tracks already classified; "
            "use -f to classify again\n"
        )
        assert snapshot(beets.library) == before
    beets("modify", "--yes", "--nowrite", "title:0", "artist=Someone")
    beets("genreclf")
    assert snapshot(beets.library) == before
    assert "3 files written" in beets.run("genreclf", "-w").stderr
    assert all(our_tags(path)["genre_model"] for path in beets.files())


def test_tags_changed_by_another_program_stay_without_write_option(unclassified: Beets) -> None:
    unclassified.settings["genreclf"] = {
        "policy": "append", "min_confidence": 0, "threads": 1,
    }  # fmt: skip
    unclassified("genreclf")
    path = unclassified.files()[0]
    file = mutagen.File(path)
    file["genre"] = "Mine"
    del file["predicted_genre"]
    file.save()
    os.utime(path, (time.time() + 5, time.time() + 5))
    before = snapshot(unclassified.library)
    assert "nothing to do" in unclassified.run("genreclf").stderr
    assert snapshot(unclassified.library) == before
    assert "1 file written" in unclassified.run("genreclf", "-w").stderr
    predicted = unclassified.field("predicted_genre")[0]
    assert our_tags(path)["predicted_genre"] == predicted
    assert plain_tags(path)["genre"] == ["Mine", predicted.title()]


def test_pretend_shows_the_tags_that_would_be_written(unclassified: Beets) -> None:
    unclassified("genreclf", "-W")
    before = snapshot(unclassified.library)
    shown = unclassified.run("genreclf", "-p", "-w")
    assert snapshot(unclassified.library) == before
    lines = shown.stdout.splitlines()
    assert [line.split(": tags to write: ")[0] for line in lines] == unclassified("ls").splitlines()
    assert all("genre_model" in line for line in lines)
    assert "0 failed, 3 files to write" in shown.stderr
    assert "0 failed, 3 files written" in unclassified.run("genreclf", "-w").stderr
    assert all(our_tags(path) for path in unclassified.files())
    assert "nothing to do" in unclassified.run("genreclf", "-w").stderr
    assert unclassified.run("genreclf", "-p", "-w").stdout == ""


def test_write_and_undo_of_predictions_from_files(unclassified: Beets) -> None:
    unclassified("genreclf")
    path = unclassified.files()[0]
    for name in ("library.db", "library.genre-journal.db"):
        (unclassified.root / name).unlink()
    unclassified.settings["genreclf"] = {"auto": False, "threads": 1}
    unclassified("import", "--quiet", "--noautotag", "--nocopy", "--singletons", str(path))
    unclassified("modify", "--yes", "--nowrite", "--nomove", "predicted_genre=polka")
    done = unclassified.run("genreclf", "-w")
    assert (done.returncode, our_tags(path)["predicted_genre"]) == (0, "polka"), done.stderr
    unclassified("genreclf-undo")
    assert our_tags(path)["predicted_genre"] != "polka"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("genreclf-cache --prune --clear", "--prune and --clear cannot be combined"),
        ("genreclf-cache --clear artist:x", "genreclf-cache takes no query"),
        ("genreclf-cache --clear --merge a.db", "--clear and --merge cannot be combined"),
        ("genreclf-train --list --delete mine", "--list and --delete cannot be combined"),
        ("genreclf-train --delete mine artist:x", "--delete and a query cannot be combined"),
        ("genreclf-undo --list -l", "--list and --last cannot be combined"),
        ("genreclf-undo -l -r 1", "--last and --run cannot be combined"),
        ("genreclf-undo --list artist:x", "--list and a query cannot be combined"),
        ("genreclf --review -p", "--review and --pretend cannot be combined"),
    ],
)
def test_mutually_exclusive_options(beets: Beets, arguments: str, message: str) -> None:
    done = beets.run(*arguments.split())
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize("options", ["", "--pretend", "--last"])
def test_nothing_to_undo(unclassified: Beets, options: str) -> None:
    done = unclassified.run("genreclf-undo", *options.split())
    assert (done.returncode, done.stderr) == (0, "genreclf: nothing to undo\n")


def test_nothing_to_list(beets: Beets) -> None:
    assert "no models trained yet" in beets.run("genreclf-train", "--list").stderr
    assert "no runs recorded" in beets.run("genreclf-undo", "--list").stderr
