"""A model trained in one library, exported, and installed in the library of another user."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mediafile import MediaFile

from genremodel.custom import CustomModel, ModelStore
from genremodel.models.musicnn import features_version
from tests.conftest import Beets, Prepared
from tests.crafted_models import archive
from tests.labeled_tracks import custom_model

TRAIN = ("genreclf-train", "--min-tracks", "4", "--linear")


def import_collection(beets: Beets) -> None:
    beets.settings["genreclf"] |= {"auto": False, "min_confidence": 0}
    beets.add_collection(range(8))
    beets.import_music()
    beets("modify", "--yes", "artist::[67]", "genres=")
    beets("modify", "--yes", "title:tune", "artist::[0-5]", "mood=calm")
    beets("modify", "--yes", "title:loop", "artist::[0-5]", "mood=wild")
    beets("genreclf", "--pretend")  # all of it is in the cache


@pytest.fixture
def collector(prepared: Prepared) -> Beets:
    """Return a library of eight albums; those of two artists have no genres and moods."""
    return prepared(import_collection)


@pytest.fixture
def friend(collector: Beets, tmp_path: Path) -> Beets:
    """Return the library of another user, with the two albums that have no genres."""
    other = Beets(tmp_path / "friend")
    other.environment["HOME"] = str(other.root / "home")
    other.settings["genreclf"] |= {"auto": False, "min_confidence": 0}
    for path in [*collector.library.glob("artist [67]/*/*")]:
        shutil.copy(path, other.music / path.name)
    other.import_music("-s")
    return other


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path) -> None:
    (tmp_path / "friend" / "home").mkdir(parents=True)
    (tmp_path / "friend" / "music").mkdir()


def stored(beets: Beets) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in beets.root.glob("library.genre-models/*")}


def refused(beets: Beets, *options: str) -> str:
    """Return the message of a refusal in one line that changes nothing."""
    before = stored(beets)
    done = beets.run("genreclf-train", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert stored(beets) == before
    (line,) = done.stderr.splitlines()
    return line


def explained(beets: Beets) -> dict[str, Any]:
    """Return what is predicted for each track, by title."""
    lines = beets("genreclf-explain", "--json", "artist::[67]").splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == 4
    return {Path(each.pop("path")).name[-10:]: each for each in found}


def test_installed_model_predicts_the_same(collector: Beets, friend: Beets, tmp_path: Path) -> None:
    collector(*TRAIN)
    file = str(tmp_path / "theirs.genremodel")
    done = collector.run("genreclf-train", "--export", file)
    assert done.stdout == f"exported mine to {file}\nit predicts genres: My Loops, My Tunes\n"
    assert done.stderr == (
        "genreclf: from the file, others may guess which tracks of these genres you have: "
        "My Loops, My Tunes\n"
    )
    (own,) = collector("genreclf-train", "--list").splitlines()

    friend("genreclf")  # before it is installed
    assert all(model.startswith("bundled-") for model in friend.field("genre_model"))
    output = friend("genreclf-train", "--install", file).splitlines()
    digest = own.split(", ")[4].removeprefix("mine-")
    first, second, third = output
    assert first == f"installed theirs (theirs-{digest}), which predicts genres: My Loops, My Tunes"
    assert second.startswith(
        "trained on 12 tracks by 6 artists of another library; cross-validated there: accuracy "
        "100% (most common genre: 50%), calibration error 0."
    )
    assert third == "set `model: theirs` in the configuration to use it"
    (listed,) = friend("genreclf-train", "--list").splitlines()
    assert listed.startswith("theirs (installed): 2 genres, 12 tracks, trained 2")
    assert f" on genres, accuracy 100%, theirs-{digest}, " in listed
    assert listed.endswith("; not used by `model: auto`")
    friend("genreclf", "-f")
    assert all(model.startswith("bundled-") for model in friend.field("genre_model"))

    friend.settings["genreclf"]["model"] = "theirs"
    collector.settings["genreclf"]["model"] = "mine"
    collector("genreclf", "artist::[67]")
    friend("genreclf")
    assert friend.field("predicted_genre") == ["My Loops"] * 2 + ["My Tunes"] * 2
    assert {*friend.field("genre_model")} == {f"theirs-{digest}"}
    expected = explained(collector)
    for name, found in explained(friend).items():
        for key in ("genre", "confidence", "probabilities", "votes", "novelty", "windows"):
            assert found[key] == expected[name][key], (name, key)
    copy = tmp_path / "a.genremodel"
    again = friend.run("genreclf-train", "--name", "theirs", "--export", str(copy))
    assert (again.returncode, again.stderr) == (0, ""), "a warning about tracks that are not here"
    assert copy.read_bytes() == Path(file).read_bytes()
    friend("genreclf-train", "--delete", "theirs")
    assert stored(friend) == {}


def test_file_has_nothing_about_tracks_and_users(collector: Beets, tmp_path: Path) -> None:
    collector(*TRAIN)
    file = tmp_path / "mine.genremodel"
    collector("genreclf-train", "--export", str(file))
    content = file.read_bytes().lower()
    words = {"artist 0", "album 0", "tune 0", "library", "mp3", collector.root.name, "mine"}
    words |= {part for part in collector.root.parts if len(part) > 2}
    assert [word for word in words if word.lower().encode() in content] == []


def test_models_of_other_fields_travel(collector: Beets, friend: Beets, tmp_path: Path) -> None:
    collector(*TRAIN, "--field", "mood", "--name", "moods")
    file = str(tmp_path / "moods.genremodel")
    collector("genreclf-train", "--export", file, "--name", "moods")
    assert friend("genreclf-train", "--install", file).splitlines()[-1] == (
        "add moods to `other_models` in the configuration to use it"
    )
    assert "(installed)" in friend("genreclf-train", "--list")
    for beets in (collector, friend):
        beets.settings["genreclf"]["other_models"] = ["moods"]
        beets("genreclf", "artist::[67]")
    assert friend.field("predicted_mood") == ["wild", "wild", "calm", "calm"]
    for name in ("predicted_mood", "mood_confidence", "mood_model"):
        assert friend.field(name) == collector.field(name, "artist::[67]")


def test_reports_call_moods_labels(collector: Beets, friend: Beets, tmp_path: Path) -> None:
    file, train = str(tmp_path / "moods.genremodel"), (*TRAIN, "--field", "mood")
    done = [collector.run(*train, "--name", "moods")]
    assert done[0].stdout.startswith("label  tracks  artists  precision  recall\ncalm  ")
    assert collector("genreclf-train", "--list").startswith("moods: 2 labels, 12 tracks, trained ")
    done.append(collector.run("genreclf-train", "--export", file, "--name", "moods"))
    assert "which tracks of these labels you have: calm, wild\n" in done[-1].stderr
    done.append(friend.run("genreclf-train", "--install", file))
    assert "(most common label: 50%)" in done[-1].stdout
    done.append(collector.run("genreclf-train", "--field", "mood", "--min-tracks", "7"))
    assert "skipped labels with fewer than 7 tracks: calm (6), wild (6)\n" in done[-1].stdout
    assert "training failed: no label has 7 tracks that can be used\n" in done[-1].stderr
    done.append(collector.run(*train, "title:tune"))
    assert "training failed: there are fewer than two labels\n" in done[-1].stderr
    assert not any(" genre" in each.stdout + each.stderr for each in done)


def test_share_of_the_most_common_genre_counts_tracks(
    collector: Beets, friend: Beets, tmp_path: Path
) -> None:
    """Not labels: here, every track has two."""
    file = str(tmp_path / "theirs.genremodel")
    collector("modify", "--yes", "title:tune", "artist::[0-5]", "genres=All; My Tunes")
    collector("modify", "--yes", "title:loop", "artist::[0-5]", "genres=All; My Loops")
    assert "(majority class: 100%)" in collector(*TRAIN, "--force")
    collector("genreclf-train", "--export", file)
    assert "(most common genre: 100%)" in friend("genreclf-train", "--install", file)


def test_name_must_be_new(collector: Beets, tmp_path: Path) -> None:
    collector(*TRAIN)
    file = tmp_path / "mine.genremodel"
    collector("genreclf-train", "--export", str(file))
    taken = "there is already a model 'mine'; choose another by --name"
    assert taken in refused(collector, "--install", str(file))
    assert taken in refused(collector, "--install", str(file), "--name", "Mine")
    for name in ("auto", "", "../mine"):
        line = refused(collector, "--install", str(file), "--name", name)
        assert "invalid model name" in line
    other = file.rename(tmp_path / "my model (1).genremodel")
    assert "invalid model name 'my model (1)'" in refused(collector, "--install", str(other))
    collector("genreclf-train", "--install", str(other), "--name", "theirs")
    mine, theirs = sorted(collector("genreclf-train", "--list").splitlines(), key=str.split)
    assert mine.startswith("mine: ")
    assert theirs.startswith("theirs (installed): ")

    done = collector.run(*TRAIN, "--name", "theirs")
    assert done.returncode == 1
    assert "theirs is an installed model: use another --name, or --force" in done.stderr
    assert "there is already a model 'theirs'" in collector.run(*TRAIN, "--name", "Theirs").stderr
    assert "saved as theirs" in collector(*TRAIN, "--name", "theirs", "--force")
    assert "installed" not in collector("genreclf-train", "--list")


def test_one_of_two_models_of_a_name_is_installed(friend: Beets, tmp_path: Path) -> None:
    model = replace(custom_model(), features_version=features_version())
    files = {field: str(tmp_path / f"{field}.genremodel") for field in ("genres", "mood")}
    for field, file in files.items():
        replace(model, field=field).export(file)
    models = ModelStore(friend.root / "library.genre-models")
    for name in "abc":
        both = friend.run_together(
            *(("genreclf-train", "--install", file, "--name", name) for file in files.values())
        )
        first, second = sorted(both, key=lambda done: done.returncode)
        assert (first.returncode, second.returncode) == (0, 1), name
        assert first.stdout.startswith(f"installed {name} ({models.describe(name).id}), which")
        assert f"there is already a model '{name}'; choose another by" in second.stderr
        assert f"predicts {models.load(name).field}: " in first.stdout


def test_invalid_files_are_refused(collector: Beets, tmp_path: Path) -> None:
    file = tmp_path / "theirs.genremodel"
    install = ("--install", str(file))
    model = replace(custom_model(), features_version=features_version())
    model.export(file)
    good = file.read_bytes()
    for length in (0, 10, len(good) // 2, len(good) - 1):
        file.write_bytes(good[:length])
        assert f"{file}: not a model file, or damaged" in refused(collector, *install)
    file.write_bytes(good.replace(b'"genremodel": 1', b'"genremodel": 2'))
    assert f"{file}: " in refused(collector, *install)  # the checksum
    file.write_bytes(archive({"model.json": b'{"genremodel": 2}'}, 0))
    assert "written by a newer version of genreclf; update it" in refused(collector, *install)
    custom_model().export(file)
    line = refused(collector, *install)
    assert "theirs: trained on analyses of another version of genreclf; its author must " in line
    for field, reason in {
        "genre": "genre is predicted by the genre model",
        "predicted_mood": "names that begin with `predicted` are those of predictions",
        "My Mood": "invalid field name 'My Mood'",
    }.items():
        replace(model, field=field).export(file)
        assert reason in refused(collector, *install)
    for label in ("Rock; Pop", "Rock\\␀Pop", " Rock"):  # read back, they would be others
        params = replace(model.params, genres=(label, *model.params.genres[1:]))
        replace(model, params=params).export(file)
        line = refused(collector, *install)
        assert f"{label!r} has a separator or spaces around it" in line
    file.unlink()
    assert f"{file}: No such file or directory" in refused(collector, *install)
    assert f"{tmp_path}: not a regular file" in refused(collector, "--install", str(tmp_path))


def test_export_is_refused_with_the_reason(collector: Beets, tmp_path: Path) -> None:
    file = tmp_path / "mine.genremodel"
    export = ("--export", str(file))
    assert "there is no model 'mine'; custom models: none" in refused(collector, *export)
    models = ModelStore(collector.root / "library.genre-models")
    models.save(custom_model())
    again = "train it again: beet genreclf-train --name mine --field genres"
    assert again in refused(collector, *export)
    models.save(replace(custom_model("neighbors"), features_version=features_version()))
    linear = "train a linear model: beet genreclf-train --linear --name mine --field genres"
    assert linear in refused(collector, *export)
    assert not file.exists()
    collector(*TRAIN, "--name", "mine")
    file.write_bytes(b"a diary")
    assert "exists and is not a model file" in refused(collector, *export)
    assert file.read_bytes() == b"a diary"
    song = str(next(collector.library.glob("artist 0/*/*")))
    assert "must end with .genremodel" in refused(collector, "--export", song)
    assert MediaFile(song).genres
    assert "--list and --export cannot be combined" in refused(collector, "--list", *export)
    file.unlink()
    collector("genreclf-train", *export)
    collector("genreclf-train", *export)  # replaces its own
    assert CustomModel.load(file).params.genres == ("My Loops", "My Tunes")
