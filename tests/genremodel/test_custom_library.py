"""The story of a user of the library: train a model on own genres, save it, and predict with it.

`docs/library.md` is run as it stands.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genremodel import GenreClassifier
from genremodel.custom import LabeledTrack, train
from genremodel.errors import ModelError, TrainingError
from tests.labeled_tracks import labeled_tracks
from tests.sounds import drums, make, melody

SOUNDS = {"My Loops": drums, "My Tunes": melody}


def test_train_save_and_predict(tmp_path: Path) -> None:
    bundled = GenreClassifier()
    tracks = [
        LabeledTrack(
            bundled.analyze(make(tmp_path / f"{genre} {number}.mp3", 6, number, sound)),
            genres=[genre],
            artist=f"artist {number}",
        )
        for genre, sound in SOUNDS.items()
        for number in range(6)
    ]
    model, report = train(tracks, features_version=bundled.features_version)

    assert report.accuracy == 1
    assert str(report).splitlines()[:4] == [
        "genre     tracks  artists  precision  recall",
        "My Loops       6        6       1.00    1.00",
        "My Tunes       6        6       1.00    1.00",
        "12 tracks by 6 artists. Cross-validated on unseen artists:",
    ]

    model.save(tmp_path / "mine.json")
    unseen = make(tmp_path / "unseen.mp3", 6, 8, drums)
    for custom in (model, tmp_path / "mine.json", str(tmp_path / "mine.json")):
        classifier = GenreClassifier(custom, min_confidence=0)
        assert classifier.is_custom
        assert classifier.genres == ("My Loops", "My Tunes")
        prediction = classifier.predict(unseen)
        assert prediction.genre == "My Loops"
        assert prediction.probabilities["My Loops"] > 0.5
        assert prediction.model == classifier.model_id
    assert classifier.model_id.startswith("mine-")


def test_examples_of_the_documentation_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [
        str(make(tmp_path / f"{number} {sound.__name__}.wav", 4, number, sound))
        for number in range(8)
        for sound in (melody, drums)
    ]
    for name, seed in (("song.mp3", 1), ("other.mp3", 2)):
        make(tmp_path / name, 6, seed)
    names: dict[str, Any] = {
        "paths": paths[:2],
        "samples": np.zeros((2, 200_000), np.float32),
        "collection": [
            (path, f"My {Path(path).stem[2:].title()}", f"artist {index // 2}")
            for index, path in enumerate(paths)
        ],
    }
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[2] / "docs" / "library.md"
    for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(code, names)
    assert names["prediction"].reason is None
    assert len(names["prediction"].windows) == len(names["analysis"].starts)
    assert sum(names["album"].votes.values()) == 2
    assert names["model"].params.genres == ("My Drums", "My Melody")
    assert (tmp_path / "mine.npz").exists()
    output = capsys.readouterr().out
    assert all(path in output for path in paths[:2])
    assert "16 tracks by 8 artists" in output


def test_model_for_other_networks_is_refused(tmp_path: Path) -> None:
    model, _ = train(labeled_tracks(4), features_version="other networks")
    model.save(tmp_path / "mine.json")
    with pytest.raises(ModelError, match="mine"):
        GenreClassifier(tmp_path / "mine.json")
    with pytest.raises(ModelError, match=r"must end with \.json"):
        GenreClassifier("bundeld")


def test_training_errors_are_value_errors() -> None:
    with pytest.raises(ValueError, match="fewer than two genres"):
        train([])
    assert issubclass(TrainingError, ValueError)
