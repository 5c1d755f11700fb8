from __future__ import annotations

from dataclasses import replace

import pytest

from beetsplug.genreclf.fields import OptionalFloat, objection
from beetsplug.genreclf.stored_predictions import album_prediction
from genremodel.prediction import Prediction


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "x"])
def test_numbers_that_are_not_finite_are_absent(text: str) -> None:
    field = OptionalFloat(3)
    assert field.parse(text) is None
    assert field.parse("0.5") == field.normalize(0.5) == 0.5
    assert field.normalize(float("nan")) is None


def test_confidence_that_is_no_number_passes_no_threshold() -> None:
    track = Prediction("jazz", 0.9, None, {}, {}, None, (), (), "model")
    unsure = replace(track, confidence=float("nan"))
    assert album_prediction([track] * 2, min_confidence=0.5).genre == "jazz"
    assert album_prediction([track, unsure], min_confidence=0.5).genre is None


def test_fields_of_the_plugin_are_no_fields_of_models() -> None:
    for source in ("genre", "genres", "styles", "album_genre", "genre_confidence", "predicted_x"):
        assert objection(source)
    assert objection("mood") is None
