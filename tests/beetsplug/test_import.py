"""`beet import` with the plugin enabled."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mutagen
import numpy as np
import pytest
from mediafile import MediaFile
from mutagen.id3 import TCON, TIT2, TSIZ, TSOP, TXXX, TYER

from genremodel.models.bundled import DESCRIPTION, MSD_FILE
from tests.conftest import Beets
from tests.faults import with_damaged_network, without_modules
from tests.sounds import CONTAINERS, RATE, drums, melody, write
from tests.tags import OURS, our_tags, plain_tags
from tests.variants import variant, variants

CNN = "bundled-cnn-4"
# Marks every album as one whose metadata the user edited, so that beets itself writes tags.
RETAG = """
from beets.importer import Action
from beets.plugins import BeetsPlugin

class RetagPlugin(BeetsPlugin):
    def __init__(self):
        super().__init__()
        self.register_listener("import_task_choice", self.choose)

    def choose(self, session, task):
        task.choice_flag = Action.RETAG
"""


def beets_writes(beets: Beets) -> None:
    folder = beets.root / "plugins"
    folder.mkdir()
    (folder / "retag.py").write_text(RETAG)
    beets.settings["pluginpath"] = str(folder)
    beets.settings["plugins"] = ["retag", "genreclf"]


def import_tagging(beets: Beets) -> None:
    """Import with autotagging on: no source of metadata is enabled, nothing is looked up."""
    beets("import", "--quiet", "--quiet-fallback=asis", str(beets.music))


@pytest.mark.parametrize(
    ("backend", "model"),
    [("auto", CNN), pytest.param("knn", "bundled-knn-5", marks=variant)],
)
def test_genre_reaches_database_and_file(backend: str, model: str, beets: Beets) -> None:
    # On a busy machine, the first import of librosa takes longer than a track may take.
    beets.settings["genreclf"] |= {"backend": backend, "min_confidence": 0, "timeout": 600}
    beets.add_every_container()
    before = {path: path.read_bytes() for path in beets.music.iterdir()}
    beets.import_music()
    files = beets.file_by_container()
    assert files.keys() == {*CONTAINERS}
    tags = {kind: our_tags(path) for kind, path in files.items()}
    for name in ("predicted_genre", "genre_confidence", "genre_model"):
        for kind, value in beets.field_by_container(name).items():
            assert value == tags[kind].get(name, ""), kind
    genres = beets.field_by_container("genres")
    for kind, path in files.items():
        assert tags[kind]["genre_model"] == model, kind
        if kind == "ape":
            assert set(tags[kind]) == {"genre_model"}, "silence has no genre"
        else:
            assert genres[kind] == tags[kind]["predicted_genre"].title() != "", kind
            assert plain_tags(path)["genre"] == [genres[kind]], kind
            assert 0 < float(tags[kind]["genre_confidence"]) <= 1, kind
            assert len(tags[kind]["genre_confidence"]) == 5, kind
    assert beets.field_by_container("genre_reason")["ape"] == "silence"
    for path, content in before.items():
        assert path.read_bytes() == content, f"{path.name}: the source of the copy was touched"


def test_queries_by_confidence_and_genre(beets: Beets) -> None:
    beets.settings["genreclf"]["min_confidence"] = 0
    for number in range(3):
        beets.add(f"album/{number}.mp3", seed=number)
    beets.import_music()
    confidences = beets.field("genre_confidence")
    assert len(confidences) == 3
    highest = max(confidences)
    found = beets.field("id", f"genre_confidence:{highest}..")
    assert len(found) == confidences.count(highest)
    assert beets.field("id", "genre_confidence:..0.001") == []
    genres = beets.field("predicted_genre")
    assert all(genres)
    for genre in genres:
        assert len(beets.field("id", f"predicted_genre:{genre}")) == genres.count(genre)
    assert beets.field("id", "predicted_genre:nonsense") == []


def test_path_formats_use_fields_of_the_plugin(beets: Beets) -> None:
    beets.settings["paths"] = {"default": "$genre_model/$title", "singleton": "one/$genre_model"}
    beets.add("a.flac")
    beets.import_music()
    assert [path.parent.name for path in beets.files()] == [CNN]
    beets.add("b.flac", seed=1)
    beets.import_music("--singletons", "--incremental")
    assert (beets.library / "one" / f"{CNN}.flac").exists()


def test_existing_genres_are_kept(beets: Beets) -> None:
    path = beets.add("a.mp3")
    tagged = mutagen.File(path)
    tagged.tags.add(TCON(encoding=3, text=["Gnawa", "Trance"]))
    tagged.save()
    beets.import_music()
    assert beets.field("genres") == ["Gnawa; Trance"]
    assert plain_tags(beets.files()[0])["genre"] == ["Gnawa", "Trance"]


def test_id3v23_and_other_frames_stay(beets: Beets) -> None:
    def frames(path: Path) -> tuple[tuple[int, ...], dict[str, str]]:
        file = mutagen.File(path)
        file.load(str(path), translate=False)
        return file.tags.version, {key: repr(frame) for key, frame in file.tags.items()}

    sources = [beets.add(f"a.{kind}") for kind in ("mp3", "wav", "aiff", "dsf")]
    for path in sources:
        file = mutagen.File(path)
        file.tags.clear()
        for frame in (
            TIT2(encoding=1, text=["One/Two"]),
            TYER(encoding=0, text=["1999"]),
            TSIZ(encoding=0, text=["12345"]),  # mutagen drops these two between versions
            TSOP(encoding=0, text=["Sorted"]),
            TXXX(encoding=0, desc="mine", text=["a", "b"]),
        ):
            file.tags.add(frame)
        file.save(v2_version=3, v23_sep=None)
    saved = {path: frames(path) for path in sources}
    beets.import_music()
    imported = {path.suffix: path for path in beets.files()}
    for path, (version, before) in saved.items():
        assert version == (2, 3, 0), path
        version, after = frames(imported[path.suffix])
        assert version == (2, 3, 0), path
        assert {key: after[key] for key in before} == before, path
        assert set(after) - set(before) <= {"TCON", *(f"TXXX:{name}" for name in OURS)}, path


def test_only_our_tags_are_written(beets: Beets) -> None:
    path = beets.add("a.flac")
    tagged = mutagen.File(path)
    tagged["x-mine"] = ["1", "2"]
    tagged.save()
    beets.import_music()
    before, after = plain_tags(path), plain_tags(beets.files()[0])
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {"genre", *OURS}


@pytest.mark.parametrize(
    ("write", "beets_writes_too", "expected"),
    [
        ("auto", False, False),
        ("auto", True, True),
        (True, False, True),
        pytest.param(True, True, True, marks=variant),
        pytest.param(False, False, False, marks=variant),
        (False, True, False),
    ],
)
def test_option_write_and_writes_by_beets(
    write: object, beets_writes_too: bool, expected: bool, beets: Beets
) -> None:
    beets.settings["genreclf"] |= {"write": write, "min_confidence": 0}
    beets.add("a.flac")
    if beets_writes_too:
        beets_writes(beets)
        import_tagging(beets)
    else:
        beets.import_music()
    assert beets.field("genre_model") == [CNN]
    (path,) = beets.files()
    assert bool(our_tags(path)) == expected
    assert beets.field("predicted_genre") != [""]
    assert ("genre" in plain_tags(path)) == expected


@pytest.mark.parametrize("option", variants(["link", "hardlink"], default=["hardlink"]))
def test_linked_files_are_not_written(option: str, beets: Beets) -> None:
    beets.settings["import"] = {option: True}
    source = beets.add("a.flac")
    before = source.read_bytes()
    beets.import_music()
    assert beets.field("genre_model") == [CNN]
    assert source.read_bytes() == before
    beets("genreclf")
    assert our_tags(beets.files()[0]), "asked for now"


def test_moved_files_are_written(beets: Beets) -> None:
    beets.settings["import"] = {"move": True}
    source = beets.add("a.opus")
    beets.import_music()
    assert not source.exists()
    assert our_tags(beets.files()[0])


def test_import_without_auto_predicts_nothing(beets: Beets) -> None:
    beets.settings["genreclf"] = {"auto": False}
    beets.add("a.mp3")
    beets.import_music()
    assert beets.field("genre_confidence") == ["$genre_confidence"]
    assert our_tags(beets.files()[0]) == {}


def test_unreadable_tracks_do_not_stop_the_import(beets: Beets) -> None:
    """beets drops files that are not audio; audio that cannot be decoded is reported."""
    beets.add("album/good.flac")
    beets.add("album/second.ogg", seconds=1)
    text = beets.music / "album" / "text.mp3"
    text.write_text("not audio")
    (beets.music / "album" / "empty.mp3").write_bytes(b"")
    header = beets.add("album/header.flac")
    header.write_bytes(header.read_bytes().partition(b"\xff\xf8")[0])
    cut = beets.add("album/cut.mp3", seconds=20)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    done = beets.run("import", "--quiet", "--noautotag", str(beets.music))
    assert done.returncode == 0
    assert "header.flac: no audio could be decoded" in done.stderr
    assert "Traceback" not in done.stderr
    assert beets.field("title") == ["cut", "good", "header", "second"]
    assert sum(value == CNN for value in beets.field("genre_model")) == 3


def test_importing_again_keeps_predictions(beets: Beets) -> None:
    beets.add("a.flac")
    beets.import_music()
    beets("modify", "--yes", "predicted_genre=mine")
    beets("import", "--quiet", "--noautotag", "--library")
    assert beets.field("predicted_genre") == ["mine"]


def test_prediction_in_a_file_needs_its_model(beets: Beets) -> None:
    tagged = beets.add("known.flac")
    other = beets.add("other.flac")
    for path, model in ((tagged, CNN), (other, None)):
        file = mutagen.File(path)
        file["title"] = path.stem
        file["predicted_genre"], file["genre_confidence"] = "polka", "0.900"
        if model:
            file["genre_model"] = model
        file.save()
    beets.import_music()
    known, unknown = beets.field("predicted_genre")
    assert known == "polka"
    assert unknown != "polka"


def test_a_hidden_track_behind_a_long_silence_is_analyzed(beets: Beets) -> None:
    silence = np.zeros((2, RATE * 240), np.float32)
    path = write(beets.music / "hidden.flac", np.hstack([melody(20), silence, melody(20, 1)]))
    media = MediaFile(path)
    media.title = "hidden"
    media.save()
    beets.import_music()
    (windows,) = (
        json.loads(line)["windows"]
        for line in beets("genreclf-explain", "--json", "path::.").splitlines()
    )
    assert len(windows) == 10
    assert all(window["genre"] for window in windows)
    assert {window["start"] > 200 for window in windows} == {True, False}
    assert beets.field("genre_reason") != ["silence"]


@pytest.mark.parametrize("kind", variants(["mp3", "opus", "flac"], default=["mp3"]))
def test_tracks_that_begin_alike_are_analyzed_separately(kind: str, beets: Beets) -> None:
    beginning = np.hstack([np.zeros((2, RATE * 7 // 10), np.float32), melody(3)])
    for name, sound in (("tune", melody), ("loop", drums)):
        path = write(beets.music / f"{name}.{kind}", np.hstack([beginning, sound(6, 3)]))
        media = MediaFile(path)
        media.title = name
        media.save()
    beets.import_music()
    assert "2 analyses and 0 failures of 4 files" in beets("genreclf-cache")
    beets("modify", "--yes", "title:tune", "title=other tune")
    beets("genreclf", "--force")
    assert "2 analyses and 0 failures" in beets("genreclf-cache"), "known again by the audio"
    votes = beets.field("genre_votes")
    beets("genreclf-cache", "--clear")
    beets("genreclf", "--force")
    assert beets.field("genre_votes") == votes


@variant  # of `test_fallback_applies_the_policy_to_predictions_of_the_cnn`
def test_knn_is_used_if_the_networks_are_damaged(beets: Beets) -> None:
    beets.environment |= with_damaged_network(beets.root / "damaged")
    beets.settings["genreclf"]["timeout"] = 600
    beets.add("a.flac")
    done = beets.run("import", "--quiet", "--noautotag", str(beets.music))
    assert f"using the KNN fallback: {MSD_FILE}: wrong checksum" in done.stderr
    assert beets.field("genre_model") == ["bundled-knn-5"]
    beets.environment.clear()
    beets("genreclf")  # the CNN is back, and better
    assert beets.field("genre_model") == [CNN]


@variant  # of `test_fallback_applies_the_policy_to_predictions_of_the_cnn`, with the command
def test_knn_does_not_replace_predictions_of_the_networks(beets: Beets) -> None:
    beets.add("a.flac")
    beets.import_music()
    assert beets.field("genre_model") == [CNN]
    beets.environment |= with_damaged_network(beets.root / "damaged")
    beets("genreclf")
    assert beets.field("genre_model") == [CNN]


def test_damage_to_all_backends_is_reported_once(beets: Beets) -> None:
    beets.environment |= with_damaged_network(beets.root / "damaged", DESCRIPTION)
    beets.add("a.flac")
    done = beets.run("import", "--quiet", "--noautotag", str(beets.music))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(DESCRIPTION) == 1
    done = beets.run("genreclf")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: no model can be loaded: {DESCRIPTION}: ")
    assert done.stderr.count(DESCRIPTION) == 1


def test_configured_backend_is_not_replaced(beets: Beets) -> None:
    beets.environment |= without_modules(beets.root / "shadow", "onnxruntime")
    beets.settings["genreclf"]["backend"] = "onnx"
    beets.add("a.flac")
    for command in (["import", "-qA", str(beets.music)], ["genreclf"]):
        done = beets.run(*command)
        assert done.returncode == 1
        assert "genreclf.backend: onnx cannot be loaded: no onnxruntime here" in done.stderr
    beets.environment.clear()
    assert beets("ls") == ""


def test_import_ends_with_a_summary(beets: Beets) -> None:
    music = beets.add("album/a.flac", seconds=12)
    silence = write(beets.music / "silence" / "b.flac", melody(5) * 0)
    for path in (music, silence):
        media = MediaFile(path)
        media.album = path.stem
        media.save()
    beets.settings["genreclf"]["min_confidence"] = 0
    done = beets.run("import", "--noautotag", str(beets.music))
    assert done.stdout.splitlines()[-1] == (
        "2 tracks analyzed, 1 with a genre, 1 without: beet ls genre_model::. predicted_genre::^$"
    )
    assert "genreclf" not in done.stderr
    assert len(beets("ls", "genre_model::.", "predicted_genre::^$").splitlines()) == 1
    again = beets.run("import", "--noautotag", str(beets.library))
    assert "analyzed" not in again.stdout, "all of it is known"


def test_quiet_import_prints_nothing(beets: Beets) -> None:
    beets.add("album/a.flac")
    assert "analyzed" not in beets.import_music()


@pytest.mark.parametrize(("option", "lines"), [("-v", 1), ("-vv", 3)])
def test_verbose_import_logs_albums_and_tracks(option: str, lines: int, beets: Beets) -> None:
    beets.settings["format_album"], beets.settings["format_item"] = "an album", "a track"
    beets.settings["genreclf"]["min_confidence"] = 0
    for seed in range(2):
        beets.add(f"album/{seed}.flac", seed=seed)
    done = beets.run(option, "import", "-qA", str(beets.music))
    logged = [line for line in done.stderr.splitlines() if re.search("an? (album|track): ", line)]
    assert len(logged) == lines, done.stderr
    assert sum("an album: " in line for line in logged) == 1


@pytest.mark.parametrize("option", variants(["copy", "move", "hardlink", "link"], default=["copy"]))
def test_update_after_an_as_is_import_keeps_the_predictions(option: str, beets: Beets) -> None:
    """By default, no tags are written: the database alone has the prediction."""
    beets.settings["import"] = {"copy": False, option: True}
    beets.settings["genreclf"] = {"threads": 1}
    for seed, name in enumerate(["a", "b"]):
        beets.add(
            f"album/{name}.flac", seed=seed
        )  # beets takes an album without artists for a compilation
    beets.import_music()
    before = beets.rows()
    assert beets.field("genre_model") == [CNN] * 2
    assert beets("update") == ""
    assert beets.rows() == before
