"""Storage of custom models: round trips, names, damaged files and folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genremodel import GenreClassifier
from genremodel.custom.custom_model import CustomModel, Estimator
from genremodel.custom.store import ModelStore
from genremodel.errors import ModelError
from tests.labeled_tracks import custom_model, labeled_tracks, trained, window_values
from tests.platforms import DROPPED as NO_ROOT
from tests.platforms import permissions, posix
from tests.sounds import RATE, melody

FILES = Path(__file__).parents[1] / "files"


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "library.genre-models")


@pytest.mark.parametrize("estimator", ["linear", "neighbors"])
def test_stored_model_predicts_the_same(models: ModelStore, estimator: Estimator) -> None:
    saved = custom_model(estimator)
    described = models.save(saved)
    loaded = models.load("mine")
    assert (loaded.params.model, loaded.field) == (described.id, "genres")
    assert loaded.features_version == "v"
    assert loaded.params.genres == saved.params.genres == described.genres
    found, expected = loaded.predict_proba(window_values()), saved.predict_proba(window_values())
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-3)
    assert found.novelty == pytest.approx(expected.novelty)


def test_id_depends_on_the_training_data(models: ModelStore) -> None:
    first = models.save(custom_model()).id
    assert models.save(custom_model()).id == first
    tracks = labeled_tracks()
    tracks[0] = tracks[0].with_genres(["genre 1"])
    assert models.save(trained(tracks)[0]).id != first
    assert first.startswith("mine-")


def test_fewer_windows_give_less_confidence_than_stored(models: ModelStore) -> None:
    fitted = custom_model()
    calibration = replace(fitted.params.calibration, windows=-0.5)
    models.save(replace(fitted, params=replace(fitted.params, calibration=calibration)))
    loaded = models.load("mine").params.calibration
    assert loaded.confidence(0.7, 1.0, 1) < loaded.confidence(0.7, 1.0, 10)
    same = calibration.confidence(0.7, 1.0, 10)
    assert loaded.confidence(0.7, 1.0, 10) == pytest.approx(same, abs=1e-3)


def test_links_are_replaced_not_followed(models: ModelStore, tmp_path: Path) -> None:
    song, folder = tmp_path / "song.flac", tmp_path / "library.genre-models"
    song.write_bytes(b"music")
    folder.mkdir()
    for name in ("mine.json", "mine.npz"):
        (folder / name).symlink_to(song)
    models.save(custom_model())
    assert song.read_bytes() == b"music"
    assert models.load("mine").name == "mine"


def test_models_are_listed_and_deleted_by_name(models: ModelStore, tmp_path: Path) -> None:
    assert models.names() == []
    for name in "bca":
        models.save(replace(custom_model(), name=name))
    for stray in (".DS_Store.json", "a (copy).json"):  # of another program
        (tmp_path / "library.genre-models" / stray).write_text("{")
    assert models.names() == ["a", "b", "c"]
    assert models.describe("b").genres == ("genre 0", "genre 1", "genre 2")
    models.delete("b")
    assert models.names() == ["a", "c"]
    with pytest.raises(ModelError, match="there is no model 'b'; custom models: a, c"):
        models.load("b")


def test_files_are_named_by_the_field(models: ModelStore, tmp_path: Path) -> None:
    folder = tmp_path / "library.genre-models"
    models.save(custom_model())
    models.save(replace(custom_model(), name="calm", field="mood"))
    assert sorted(file.name for file in folder.iterdir()) == [
        "calm.mood.json", "calm.mood.npz", "mine.json", "mine.npz",
    ]  # fmt: skip
    assert (models.names(), models.names("mood"), models.names("genres")) == (
        ["calm", "mine"], ["calm"], ["mine"],
    )  # fmt: skip
    assert (models.load("calm").field, models.describe("calm").name) == ("mood", "calm")
    assert CustomModel.load(folder / "calm.mood.json").field == "mood"
    with pytest.raises(ModelError, match=r"of the field mood must be named a\.mood\.json"):
        models.load("calm").save(tmp_path / "a.json")
    models.load("calm").save(tmp_path / "a.mood.json")
    models.copy("calm", ModelStore(tmp_path / "copies"))
    assert ModelStore(tmp_path / "copies").load("calm").field == "mood"
    models.delete("calm")
    assert sorted(file.name for file in folder.iterdir()) == ["mine.json", "mine.npz"]


def test_a_name_belongs_to_one_model(models: ModelStore, tmp_path: Path) -> None:
    folder = tmp_path / "library.genre-models"
    models.save(replace(custom_model(), field="mood"))
    models.save(custom_model())
    assert sorted(file.name for file in folder.iterdir()) == ["mine.json", "mine.npz"]
    (folder / "mine.mood.json").write_text("{")
    with pytest.raises(ModelError, match=r"several models have the name mine: mine\.json, mine\.m"):
        models.load("mine")
    models.delete("mine")
    assert models.names() == []


def test_names_that_differ_in_case_alone_are_refused(models: ModelStore) -> None:
    saved = models.save(custom_model())
    with pytest.raises(ModelError, match="there is already a model 'mine'"):
        models.save(replace(custom_model(), name="Mine"))
    assert models.describe("mine") == saved
    assert models.names() == ["mine"]


def test_the_file_name_must_show_the_field(models: ModelStore, tmp_path: Path) -> None:
    models.save(replace(custom_model(), field="mood"))
    folder = tmp_path / "library.genre-models"
    for suffix in ("json", "npz"):  # as models of other fields were named before
        (folder / f"mine.mood.{suffix}").rename(folder / f"mine.{suffix}")
    with pytest.raises(ModelError, match=r"mine\.json: of the field 'mood'") as caught:
        models.load("mine")
    assert (caught.value.retrain, caught.value.field) == ("mine", "mood")


def test_the_field_of_a_damaged_model_is_that_of_its_file_name(
    models: ModelStore, tmp_path: Path
) -> None:
    models.save(replace(custom_model(), field="mood"))
    (tmp_path / "library.genre-models" / "mine.mood.json").write_text("{")
    with pytest.raises(ModelError) as caught:
        models.load("mine")
    assert (caught.value.retrain, caught.value.field) == ("mine", "mood")


@pytest.mark.parametrize("field", ["", "Mood", "a b", "../a", "a.b", "ü", "a" * 41])
def test_invalid_fields_are_refused(models: ModelStore, field: str) -> None:
    with pytest.raises(ModelError, match="invalid field name"):
        models.save(replace(custom_model(), field=field))


def test_damaged_files_are_refused(models: ModelStore, tmp_path: Path) -> None:
    models.save(custom_model())
    folder = tmp_path / "library.genre-models"
    assert sorted(file.name for file in folder.iterdir()) == ["mine.json", "mine.npz"]
    arrays = folder / "mine.npz"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="wrong checksum"):
        models.load("mine")
    arrays.unlink()
    with pytest.raises(ModelError, match=r"mine\.npz: No such file") as caught:
        models.load("mine")
    assert (caught.value.retrain, caught.value.field) == ("mine", "genres")
    (folder / "mine.json").unlink()
    (folder / "mine.json").symlink_to("nowhere")
    with pytest.raises(ModelError, match=r"mine\.json: No such file") as caught:
        models.load("mine")
    assert caught.value.retrain is None  # the file may be readable later
    models.save(custom_model())
    content = json.loads((folder / "mine.json").read_text())
    (folder / "mine.json").write_text(json.dumps({**content, "form": 0}))
    with pytest.raises(ModelError, match="unsupported format version"):
        models.load("mine")
    del content["sha256"]
    (folder / "mine.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"mine: sha256 is missing") as caught:
        models.load("mine")
    assert (caught.value.retrain, caught.value.field) == ("mine", "genres")
    for nonsense in ("{", "[]", "{}", '{"form": 2}'):
        (folder / "mine.json").write_text(nonsense)
        with pytest.raises(ModelError, match=r"mine\.json: "):
            models.describe("mine")
    models.delete("mine")
    assert models.names() == []


@posix
@pytest.mark.parametrize("name", ["mine.json", "mine.npz"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "nowhere"])
def test_special_files_are_refused_without_waiting(
    models: ModelStore, tmp_path: Path, name: str, kind: str
) -> None:
    models.save(custom_model())
    file = tmp_path / "library.genre-models" / name
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero" if kind == "device" else "nowhere")
    with pytest.raises(ModelError, match=r"regular file|directory|No such file"):
        models.load("mine")


@pytest.mark.parametrize(
    "name", ["auto", "bundled", "nul", "COM1", "", "a b", "../a", "a.b", "a" * 61]
)
def test_invalid_names_are_refused(models: ModelStore, name: str) -> None:
    with pytest.raises(ModelError, match="invalid model name"):
        models.validate_name(name)


@permissions
@pytest.mark.parametrize("there", [True, False])
def test_error_names_the_read_only_folder(tmp_path: Path, there: bool) -> None:
    code = """
import sys
from pathlib import Path
from genremodel.custom.custom_model import CustomModel
from genremodel.custom.store import ModelStore
from genremodel.errors import ModelError

try:
    ModelStore(Path(sys.argv[1])).save(CustomModel.load(sys.argv[2]))
except ModelError as exc:
    print(exc)
"""
    folder = tmp_path / "read-only"
    folder.mkdir()
    models = folder if there else folder / "models"
    folder.chmod(0o555)
    custom_model().save(tmp_path / "mine.json")
    command = [*NO_ROOT, sys.executable, "-c", code, str(models), str(tmp_path / "mine.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"{folder}: Permission denied\n"
    assert not [*folder.iterdir()]


def test_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "library.genre-models").write_text("a file")
    with pytest.raises(ModelError, match=r"library\.genre-models"):
        ModelStore(tmp_path / "library.genre-models").save(custom_model())


def test_model_is_saved_to_and_loaded_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "rock.json"
    info = custom_model().save(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["rock.json", "rock.npz"]
    loaded = CustomModel.load(path)
    assert (loaded.name, loaded.params.model) == ("rock", info.id)
    assert info.metrics["tracks"] == 60
    with pytest.raises(ModelError, match=r"must end with \.json"):
        custom_model().save(tmp_path / "rock.genremodel")
    with pytest.raises(ModelError, match="there is no model 'pop'"):
        CustomModel.load(str(tmp_path / "pop.json"))


def test_model_trained_before_predicts_the_same() -> None:
    folder = FILES / "trained-before"
    classifier = GenreClassifier(folder / "before.json")
    assert classifier.genres == ("fast", "slow")
    for expected in json.loads((folder / "expected.json").read_text()):
        speed = {"slow": 1, "fast": 2}[expected["sound"]]
        samples = melody(20 * speed, expected["seed"])[:, ::speed]
        found = classifier.predict((samples, RATE))
        assert found.genre == expected["genre"]
        assert found.confidence == pytest.approx(expected["confidence"], abs=1e-3)
        assert found.probabilities == pytest.approx(expected["probabilities"], abs=1e-3)
    noise = np.random.default_rng(0).uniform(-1, 1, 20 * RATE)
    assert classifier.predict((noise, RATE)).reason == "not music"


def test_model_has_no_detector_of_its_own(tmp_path: Path) -> None:
    custom_model().save(tmp_path / "mine.json")
    with np.load(tmp_path / "mine.npz") as arrays:
        assert {*arrays} == {"weight", "bias", "centroids", "whitening"}
