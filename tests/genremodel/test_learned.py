from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genremodel.examples import Tracks
from genremodel.learned import Estimator, LearnedModel, ModelError, Models
from genremodel.learning import ESTIMATORS
from tests.genremodel.test_learning import collection, learned, outputs


def model(estimator: Estimator = "linear") -> LearnedModel:
    examples = collection()
    fitted, _ = learned(examples)
    head = ESTIMATORS[estimator](Tracks.of(examples), np.arange(len(examples)))
    return LearnedModel(**{**vars(fitted), "estimator": estimator, "head": head})


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path / "library.genre-models")


@pytest.mark.parametrize("estimator", ["linear", "neighbours"])
def test_a_model_comes_back_as_it_was(models: Models, estimator: Estimator) -> None:
    kept = model(estimator)
    described = models.save(kept)
    again = models.load("mine")
    assert (again.rules.model, again.field, again.version) == (described.id, "genres", "v")
    assert again.rules.genres == kept.rules.genres == described.genres
    values = outputs(collection()[5].views)
    np.testing.assert_allclose(
        again.judge(values).probabilities, kept.judge(values).probabilities, atol=1e-3
    )
    assert again.judge(values).novelty == pytest.approx(kept.judge(values).novelty)


def test_the_same_lesson_has_the_same_id(models: Models) -> None:
    first = models.save(model()).id
    assert models.save(model()).id == first
    examples = collection()
    examples[0] = examples[0]._replace(genres=("genre 1",))
    assert models.save(learned(examples)[0]).id != first
    assert first.startswith("mine-")


def test_models_learned_before_fewer_windows_were_less_sure(models: Models) -> None:
    kept = model()
    calibration = replace(kept.rules.calibration, windows=-0.5)
    models.save(replace(kept, rules=replace(kept.rules, calibration=calibration)))
    loaded = models.load("mine").rules.calibration
    assert loaded.confidence(0.7, 1.0, 1) < loaded.confidence(0.7, 1.0, 10)
    same = calibration.confidence(0.7, 1.0, 10)
    assert loaded.confidence(0.7, 1.0, 10) == pytest.approx(same, abs=1e-3)


def test_a_model_does_not_replace_what_a_link_points_to(models: Models, tmp_path: Path) -> None:
    song, folder = tmp_path / "song.flac", tmp_path / "library.genre-models"
    song.write_bytes(b"music")
    folder.mkdir()
    for name in ("mine.json", "mine.npz"):
        (folder / name).symlink_to(song)
    models.save(model())
    assert song.read_bytes() == b"music"
    assert models.load("mine").name == "mine"


def test_models_by_name(models: Models, tmp_path: Path) -> None:
    assert models.names() == []
    for name in "bca":
        models.save(LearnedModel(**{**vars(model()), "name": name}))
    for stray in (".DS_Store.json", "a (copy).json"):  # of who knows what program
        (tmp_path / "library.genre-models" / stray).write_text("{")
    assert models.names() == ["a", "b", "c"]
    assert models.describe("b").genres == ("genre 0", "genre 1", "genre 2")
    models.forget("b")
    assert models.names() == ["a", "c"]
    with pytest.raises(ModelError, match="there is no model 'b'; learned ones: a, c"):
        models.load("b")


def test_what_is_damaged_is_refused(models: Models, tmp_path: Path) -> None:
    models.save(model())
    folder = tmp_path / "library.genre-models"
    assert sorted(file.name for file in folder.iterdir()) == ["mine.json", "mine.npz"]
    arrays = folder / "mine.npz"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="wrong checksum; it must be learned again"):
        models.load("mine")
    arrays.unlink()
    with pytest.raises(ModelError, match=r"mine\.npz"):
        models.load("mine")
    models.save(model())
    content = json.loads((folder / "mine.json").read_text())
    (folder / "mine.json").write_text(json.dumps({**content, "form": 0}))
    with pytest.raises(ModelError, match="of another version"):
        models.load("mine")
    del content["sha256"]
    (folder / "mine.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"mine\.json: 'sha256'; .*learned again"):
        models.load("mine")
    for nonsense in ("{", "[]", "{}", '{"form": 1}'):
        (folder / "mine.json").write_text(nonsense)
        with pytest.raises(ModelError, match=r"mine\.json: .*learned again"):
            models.describe("mine")
    models.forget("mine")
    assert models.names() == []


@pytest.mark.parametrize("name", ["auto", "bundled", "", "a b", "../a", "a.b", "a" * 61])
def test_names_that_cannot_be(models: Models, name: str) -> None:
    with pytest.raises(ModelError, match="cannot be called"):
        models.check_name(name)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "library.genre-models").write_text("a file")
    with pytest.raises(ModelError, match=r"library\.genre-models"):
        Models(tmp_path / "library.genre-models").save(model())
