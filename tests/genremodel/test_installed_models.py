"""Exported models where they are used: names, installation and the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from genremodel import GenreClassifier
from genremodel.custom import CustomModel, LabeledTrack, ModelStore, train
from genremodel.errors import ModelError
from tests.conftest import run_module
from tests.labeled_tracks import custom_model
from tests.sounds import drums, make, melody


def test_name_of_the_file_is_the_name_of_the_model(tmp_path: Path) -> None:
    custom_model().export(tmp_path / "a b.genremodel")
    with pytest.raises(ModelError, match="invalid model name 'a b'"):
        CustomModel.load(tmp_path / "a b.genremodel")
    (tmp_path / "a b.genremodel").rename(tmp_path / "other.genremodel")
    assert CustomModel.load(tmp_path / "other.genremodel").params.model.startswith("other-")
    custom_model().export(tmp_path / "LOUD.GENREMODEL")
    assert CustomModel.load(tmp_path / "LOUD.GENREMODEL").name == "LOUD"


def test_installed_models_never_replace_others(tmp_path: Path) -> None:
    models = ModelStore(tmp_path / "models")
    model = replace(custom_model(), features_version=GenreClassifier().features_version)
    models.save(model)
    before = {file: file.read_bytes() for file in (tmp_path / "models").iterdir()}
    for name in ("mine", "Mine"):
        with pytest.raises(ModelError, match="there is already a model 'mine'"):
            models.install(replace(model, name=name))
    with pytest.raises(ModelError, match="theirs: trained on analyses of another version of genre"):
        models.install(replace(custom_model(), name="theirs", installed=True))
    assert {file: file.read_bytes() for file in (tmp_path / "models").iterdir()} == before
    assert models.describe("mine").is_default
    installed = models.install(replace(model, name="theirs"))
    assert not installed.is_default
    assert models.load("theirs").installed


def test_command_line_and_classifier_take_a_file(tmp_path: Path) -> None:
    bundled = GenreClassifier()
    tracks = [
        LabeledTrack(
            bundled.analyze(make(tmp_path / f"{sound.__name__} {number}.mp3", 6, number, sound)),
            genres=[sound.__name__],
            artist=f"artist {number}",
        )
        for sound in (melody, drums)
        for number in range(6)
    ]
    model, _ = train(tracks, estimator="linear")
    file, song = tmp_path / "mine.genremodel", make(tmp_path / "unseen.mp3", 6, 8, drums)
    model.export(file)
    model.save(tmp_path / "mine.json")

    def run(*options: str) -> tuple[int, str, str]:
        done = run_module(
            "genremodel", "--json", "--threads=1", *options, str(song), cwd=tmp_path, environment={}
        )
        return done.returncode, done.stdout, done.stderr

    status, output, messages = run("--model", str(file))
    assert (status, messages) == (0, "")
    result = json.loads(output)
    assert {*result["probabilities"]} == {"drums", "melody"}
    assert result["probabilities"] == GenreClassifier(file).predict(song).probabilities
    assert run("--model", str(tmp_path / "mine.json")) == (status, output, messages)

    file.write_bytes(file.read_bytes()[:-1])
    problem = f"no model can be loaded: {file}: not a model file, or damaged\n"
    assert run("--model", str(file)) == (2, "", problem)
    custom_model().export(file)
    assert (
        "mine: trained on analyses of another version of genreclf" in run("--model", str(file))[2]
    )
