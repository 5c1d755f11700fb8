"""Models of fields other than `genres`, side by side with the model of genres."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from beetsplug.genreclf.fields import FieldSet, source_of
from genremodel.custom.store import ModelStore
from tests.conftest import Beets, Prepared
from tests.labeled_tracks import custom_model
from tests.moods import label_moods
from tests.sounds import CONTAINERS, RATE, write
from tests.tags import plain_tags
from tests.variants import variant

MOOD = FieldSet.of("mood")
TRAIN = ("genreclf-train", "--min-tracks", "4")
ALL = "$predicted_mood|$mood_confidence|$mood_reason|$mood_votes|$mood_model"


def train_moods(beets: Beets) -> None:
    """Import albums by six artists, and train a model of moods on them, which is not used yet."""
    label_moods(beets)
    output = beets(*TRAIN, "--field", "mood", "--name", "moods")
    assert "add moods to `other_models` in the configuration to use it" in output
    shutil.rmtree(beets.music)


@pytest.fixture
def trained(prepared: Prepared) -> Beets:
    return prepared(train_moods)


@pytest.fixture
def moods(trained: Beets) -> Beets:
    """Return a library whose model of moods is used."""
    trained.settings["genreclf"]["other_models"] = ["moods"]
    return trained


def store(beets: Beets) -> ModelStore:
    return ModelStore(beets.root / "library.genre-models")


def moods_in_files(beets: Beets) -> list[str]:
    """Return the predicted moods in the tags of the files, sorted by title."""
    found = [plain_tags(path) for path in sorted(beets.files(), key=lambda path: path.name)]
    return ["".join(tags.get("predicted_mood", [])) for tags in found]


def test_imports_predict_moods_beside_genres(moods: Beets) -> None:
    moods.settings["genreclf"]["auto"] = True
    moods.add_collection((6, 7), label=False)
    moods.import_music()
    new = "artist::[67]"
    assert moods.field("predicted_mood", new) == ["wild", "wild", "calm", "calm"]
    assert moods.field("mood", new) == ["$mood"] * 4  # it is the user's
    (model,) = {*moods.field("mood_model", new)}
    assert model.startswith("moods-")
    assert all(name.startswith("bundled-") for name in moods.field("genre_model", new))
    assert moods.field("genres", new) != [""] * 4
    assert moods.field("title", "predicted_mood:calm") == ["tune 6", "tune 7"]
    assert len(moods.field("title", "mood_confidence:0.5..")) == 4
    assert moods.field("title", "mood_confidence:0.99..") == []
    assert len(moods.field("title", "mood_model::.")) == 4
    assert moods.field("title", "mood_votes:wild") == ["loop 6", "loop 7"]
    for path in moods.library.glob("artist [67]/*/*"):
        tags = plain_tags(path)
        assert tags["predicted_mood"] in (["calm"], ["wild"])
        assert 0.5 < float(*tags["mood_confidence"]) < 1
        assert not {"mood", "mood_model", "mood_votes"} & tags.keys()
    moods("import", "--quiet", "--noautotag", "--library", new)
    assert {*moods.field("mood_model", new)} == {model}


def test_moods_are_undone_also_after_their_model_is_deleted(moods: Beets) -> None:
    before, files = moods.rows(), {path: path.read_bytes() for path in moods.files()}
    for deletes in (False, True):
        moods("genreclf")
        assert moods_in_files(moods) == ["wild"] * 6 + ["calm"] * 6
        assert len(moods.field("title", "mood_confidence:0.5..")) == 12
        if deletes:
            moods("genreclf-train", "--delete", "moods")
            assert moods.field("title", "mood_confidence:0.5..") == []  # is no number any more
        shown = moods("genreclf-undo", "--pretend", "title:tune 1")
        assert "predicted_mood, mood_confidence" in shown
        done = moods.run("genreclf-undo")
        assert done.returncode == 0
        assert "12 tracks and 6 albums restored, 0 failed\n" in done.stderr
        assert "not restored" not in done.stderr
        assert moods.rows() == before
        assert {path: path.read_bytes() for path in moods.files()} == files
    assert moods.field("mood", "title:tune") == ["calm"] * 6
    assert "there is no model 'moods'; custom models: none" in moods.run("genreclf").stderr


def test_undo_of_a_deleted_model_keeps_what_the_user_has_changed(moods: Beets) -> None:
    moods("genreclf", "title:tune 1")
    moods("modify", "--yes", "title:tune 1", "predicted_mood=odd")
    moods("genreclf-train", "--delete", "moods")
    done = moods.run("genreclf-undo", "title:tune 1")
    assert "not restored, changed since: predicted_mood\n" in done.stderr
    assert moods.field("predicted_mood", "title:tune 1") == ["odd"]
    assert "$mood_confidence" in moods.field("mood_confidence", "title:tune 1")


@pytest.mark.parametrize(
    "scope",
    ["auto", pytest.param("album", marks=variant), pytest.param("artist", marks=variant)],
)
def test_a_model_that_is_added_later_leaves_genres_alone(trained: Beets, scope: str) -> None:
    trained.settings["genreclf"]["scope"] = scope
    trained("genreclf")
    genre = "$genres|$predicted_genre|$genre_confidence|$genre_model|$genre_votes|$album_genre"
    before = trained("ls", "-f", genre)
    trained.settings["genreclf"] |= {"other_models": ["moods"], "policy": "replace"}
    assert "predicted_mood: calm" in trained("genreclf", "--pretend", "title:tune")
    assert trained.field("title", "predicted_mood::.") == []
    done = trained.run("genreclf")
    assert "artist 1 - album 1 - tune 1: electronic (" in done.stdout
    assert "); mood: calm (0." in done.stdout
    assert "0 tracks updated, 12 unchanged, 0 abstained, 0 failed, 12 files written" in done.stderr
    assert trained.field("predicted_mood", "title:tune") == ["calm"] * 6
    assert trained("ls", "-f", genre) == before
    assert "nothing to do" in trained.run("genreclf").stderr
    trained("genreclf-undo", "--last")
    assert trained.field("title", "predicted_mood::.") == []
    assert trained("ls", "-f", genre) == before


def test_a_track_that_also_gets_a_genre_is_updated_once(trained: Beets) -> None:
    trained("modify", "--yes", "title:tune 1", "genres=")
    trained.settings["genreclf"]["policy"] = "never"
    trained("genreclf")
    trained.settings["genreclf"] |= {"other_models": ["moods"], "policy": "fill"}
    assert "1 track to update, 0 unchanged" in trained.run("genreclf", "-p", "title:tune 1").stderr
    done = trained.run("genreclf", "title:tune 1")
    assert done.stdout.count("artist 1 - album 1 - tune 1: ") == 1
    assert "; mood: calm (0." in done.stdout
    assert "1 track updated, 0 unchanged, 0 abstained, 0 failed, 1 file written" in done.stderr
    assert trained.field("predicted_mood", "title:tune 1") == ["calm"]


def test_a_model_that_is_trained_again_predicts_again(moods: Beets) -> None:
    moods("genreclf")
    (first,) = {*moods.field("mood_model")}
    moods("modify", "--yes", "title:tune", "mood=slow")
    assert "`beet genreclf` and imports will use it" in moods(
        *TRAIN, "--field", "mood", "--name", "moods"
    )
    moods("genreclf")
    assert moods.field("predicted_mood", "title:tune") == ["slow"] * 6
    assert first not in moods.field("mood_model")


def test_abstention_empties_a_mood(moods: Beets) -> None:
    write(moods.music / "silence.mp3", np.zeros((2, 6 * RATE), np.float32))
    moods("import", "--quiet", "--noautotag", "--singletons", str(moods.music))
    moods("modify", "--yes", "singleton:true", "title=rest", "predicted_mood=calm")
    (path,) = (path for path in moods.files() if "artist" not in str(path))
    assert plain_tags(path)["predicted_mood"] == ["calm"]
    done = moods.run("genreclf", "title:rest")
    assert "rest: no genre, silence; mood: none, silence\n" in done.stdout
    assert moods("ls", "-f", ALL, "title:rest").startswith("||silence||moods-")
    assert moods.field("title", "mood_model::.", "predicted_mood::^$") == ["rest"]
    assert moods.field("title", "mood_reason:silence") == ["rest"]
    assert "predicted_mood" not in plain_tags(path)
    assert moods("genreclf-explain", "title:rest").count("none (silence)") == 2
    assert "nothing to do" in moods.run("genreclf", "title:rest").stderr


def test_reviews_show_genres_alone(moods: Beets) -> None:
    moods("modify", "--yes", "title:tune 1", "genres=")
    moods.settings["genreclf"]["min_confidence"] = 0
    shown = moods.run("genreclf", "--review", "title:tune 1", stdin="a\n").stdout
    assert "tune 1: electronic (" in shown
    assert "mood" not in shown
    assert moods.field("predicted_mood", "title:tune 1") == ["calm"]


def test_moods_are_explained(moods: Beets) -> None:
    assert "\n  mood           calm (0." in moods("genreclf-explain", "title:tune 1")
    explained = json.loads(moods("genreclf-explain", "--json", "title:tune 1"))
    mood = explained["other_fields"]["mood"]
    assert (mood["value"], mood["reason"], mood["votes"]) == ("calm", None, {"calm": 4})
    assert mood["probabilities"].keys() == {"calm", "wild"}
    assert explained["genre"] == "electronic"
    assert moods.field("predicted_mood", "title:tune 1") == ["$predicted_mood"]


def test_tags_are_written_as_those_of_genres(moods: Beets) -> None:
    query = "title:tune 1"
    path = next(moods.library.rglob("*tune 1.mp3"))
    moods("genreclf", "--nowrite", query)
    assert moods.field("predicted_mood", query) == ["calm"]
    assert "predicted_mood" not in plain_tags(path)
    moods("update", query)
    assert moods.field("predicted_mood", query) == ["calm"]
    shown = moods("genreclf", "--write", "--pretend", query)
    assert "predicted_mood, mood_confidence" in shown
    moods("genreclf", "--write", query)
    assert plain_tags(path)["predicted_mood"] == ["calm"]
    moods("modify", "--yes", "--move", query, "title=song 1")
    (path,) = moods.library.rglob("*song 1.mp3")
    assert "nothing to do" in moods.run("genreclf", "title:song 1").stderr
    moods("modify", "--yes", "title:song 1", "predicted_mood!")
    assert "predicted_mood" not in plain_tags(path)
    assert "mood_confidence" in plain_tags(path)
    moods.settings["genreclf"] |= {"auto": True, "write": False}
    moods.add_collection([6], label=False)
    moods.import_music()
    assert moods.field("predicted_mood", "title:tune 6") == ["calm"]
    assert "predicted_mood" not in plain_tags(next(moods.library.rglob("*tune 6.mp3")))


def test_a_file_that_cannot_be_written_is_written_later(moods: Beets) -> None:
    path = next(moods.library.rglob("*tune 1.mp3"))
    kept = path.with_suffix(".kept")
    path.rename(kept)
    path.write_bytes(b"")
    assert "tune 1.mp3" in moods.run("genreclf", "title:tune 1").stderr
    kept.replace(path)
    moods("genreclf", "--force", "title:tune 1")
    assert plain_tags(path)["predicted_mood"] == ["calm"]


def test_a_model_that_is_not_used_keeps_its_predictions(moods: Beets) -> None:
    moods("genreclf", "title:1")
    values, tags = moods("ls", "-f", ALL), moods_in_files(moods)
    del moods.settings["genreclf"]["other_models"]
    moods.settings["genreclf"]["policy"] = "replace"
    moods("genreclf", "--force")
    assert (moods("ls", "-f", ALL), moods_in_files(moods)) == (values, tags)
    assert "My Tunes" not in moods.field("genres")
    assert "mood  " not in moods("genreclf-explain", "title:tune 1")


def test_tags_of_a_mood_are_the_same_in_every_container(moods: Beets) -> None:
    moods.settings["genreclf"]["auto"] = True
    moods.add_every_container()
    before = moods.files()
    moods.import_music()
    files = [path for path in moods.files() if path not in before and path.suffix != ".ape"]
    assert len(files) == len(CONTAINERS) - 1  # that one is silent
    found = {}
    for path in files:
        tags = {name.lower(): values for name, values in plain_tags(path).items()}
        found[path] = tags.get("predicted_mood"), len(tags.get("mood_confidence", ""))
    assert [path for path, tags in found.items() if tags != (["calm"], 1)] == []


def test_neighbors_predict_moods_too(moods: Beets) -> None:
    model = store(moods).load("moods")
    near = replace(
        custom_model("neighbors"), name="near", field="taste",
        features_version=model.features_version,
    )  # fmt: skip
    store(moods).save(near)
    moods.settings["genreclf"]["other_models"] = ["moods", "near"]
    moods("genreclf", "title:1")
    assert moods.field("predicted_mood", "title:1") == ["wild", "calm"]
    assert all(name.startswith("near-") for name in moods.field("taste_model", "title:1"))
    assert all("genre " in votes for votes in moods.field("taste_votes", "title:1"))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"model": "moods"},
            "model: moods is a model of the field mood: list it in `other_models`",
        ),
        ({"other_models": ["mine"]}, "other_models: mine is a model of genres: set `model: mine`"),
        ({"other_models": ["no"]}, "other_models: there is no model 'no'; custom models: cut, "),
        ({"other_models": ["../x"]}, "other_models: invalid model name '../x': use up to 60 lett"),
        ({"other_models": {"a": 1}}, "other_models: must be a list of strings"),
        (
            {"other_models": ["moods", "other"]},
            "other_models: moods and other are models of the same field mood: list one of them",
        ),
        (
            {"other_models": ["cut"]},
            "cut.cut: wrong checksum; train it again: beet genreclf-train ",
        ),
        (
            {"other_models": ["old"]},
            "old: trained on analyses of another version; train it again: ",
        ),
        (
            {"other_models": ["styles"]},
            "other_models: styles is a model of the field styles, which cannot be used: genreclf "
            "sets predicted_styles",
        ),
        (
            {"other_models": ["moods"], "backend": "knn"},
            "other_models: moods: needs the CNN; the KNN fallback is in use",
        ),
    ],
)
def test_invalid_models_change_nothing(
    moods: Beets, settings: dict[str, object], problem: str
) -> None:
    models, model = store(moods), store(moods).load("moods")
    models.save(replace(model, name="other"))
    models.save(replace(model, name="mine", field="genres"))
    models.save(replace(model, name="styles", field="styles"))
    models.save(replace(model, name="cut", field="cut"))
    models.save(replace(model, name="old", field="old", features_version="of old"))
    arrays = moods.root / "library.genre-models" / "cut.cut.npz"
    arrays.write_bytes(arrays.read_bytes()[:-9])
    moods.settings["genreclf"] |= {"other_models": [], **settings}
    before, files = moods.rows(), [path.read_bytes() for path in moods.files()]
    reserved = (
        "genreclf: models of the field styles cannot be used: genreclf sets predicted_styles\n"
    )
    moods.add("new.mp3")
    for arguments in (["genreclf"], ["import", "-qA", str(moods.music)]):
        moods.settings["genreclf"]["auto"] = True
        done = moods.run(*arguments)
        assert done.returncode == 1
        assert done.stderr.startswith(reserved)
        (line,) = done.stderr.removeprefix(reserved).splitlines()
        assert problem in line
        assert (moods.rows(), [path.read_bytes() for path in moods.files()]) == (before, files)


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("genre", "there can be no model of the field genre: genre is predicted by the genre m"),
        ("styles", "there can be no model of the field styles: genreclf sets predicted_styles"),
        ("album_genre", "album_genre is set by genreclf and cannot be trained on"),
        ("predicted_mood", "predicted_mood is set by genreclf and cannot be trained on"),
        ("predicted_era", "names that begin with `predicted` are those of predictions"),
        ("predicted", "names that begin with `predicted` are those of predictions"),
        ("Mood", "invalid field name 'Mood': use up to 40 lower-case letters, digits and _"),
        ("mood/../x", "invalid field name 'mood/../x'"),
    ],
)
def test_fields_that_are_taken_are_not_trained_on(moods: Beets, field: str, problem: str) -> None:
    done = moods.run(*TRAIN, "--field", field, "--name", "new")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert problem in line
    assert store(moods).names() == ["moods"]


@pytest.mark.parametrize("first", [False, True])
def test_fields_of_another_plugin_are_left_to_it(moods: Beets, *, first: bool) -> None:
    moods.install("types", first=first)
    moods.settings["types"] = {"mood_confidence": "int"}
    moods("modify", "--yes", "title:tune 1", "mood_confidence=7")
    problem = "the plugin types has the field mood_confidence"
    done = moods.run("ls", "mood_confidence:7")
    assert done.stderr == f"genreclf: models of the field mood cannot be used: {problem}\n"
    assert done.stdout == "artist 1 - album 1 - tune 1\n"
    before = moods.rows()
    done = moods.run("genreclf")
    assert done.returncode == 1
    assert f"moods is a model of the field mood, which cannot be used: {problem}" in done.stderr
    assert moods.rows() == before
    moods.settings["genreclf"]["other_models"] = []
    moods("genreclf", "--force")
    assert moods.field("mood_confidence", "title:tune 1") == ["7"]
    assert "Traceback" not in moods.run("import", "-qA", str(moods.root)).stderr


def test_no_model_is_opened_when_beets_starts(moods: Beets) -> None:
    folder = moods.root / "library.genre-models"
    (folder / "any.era.json").mkdir()  # cannot be opened
    (folder / "notes.txt").write_text("")
    no_models = [f"any.{'x' * 41}.json", f"{'x' * 61}.taste.json", "any.genres.json", "a.b.c.json"]
    for name in no_models:
        (folder / name).write_text("{}")
    assert store(moods).names() == ["any", "moods"]
    moods("modify", "--yes", "title:tune 1", "era_confidence=0.9")
    done = moods.run("ls", "-f", "$title", "era_confidence:0.5..")
    assert (done.stdout, done.stderr) == ("tune 1\n", "")
    shutil.rmtree(folder)
    assert moods("ls", "era_confidence:0.5..") == ""


def test_names_of_fields_show_what_was_predicted() -> None:
    for source in ("mood", "a", "era_2", "mood_confidence", "voice_model"):
        assert {*map(source_of, FieldSet.of(source).names)} == {source}
    for name in ("mood", "genres", "predicted_", "_votes", "predicted_Mood", "comments"):
        assert source_of(name) is None
