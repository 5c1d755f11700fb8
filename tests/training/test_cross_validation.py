"""Cross-validation of window tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.calibration import Calibration
from genremodel.models.base import WindowProbabilities
from genremodel.prediction import DecisionParams
from training.evaluation.cross_validation import out_of_fold
from training.fit import PredictProba
from training.window_table import WindowTable

GENRES = ("blues", "jazz")
PARAMS = DecisionParams(GENRES, (0.5, 0.5), Calibration(0.0, 1.0, 0.0, 0.0, 0.0), 0.5, "m")


def table() -> WindowTable:
    """Return 20 tracks of twelve windows by ten artists, and an augmented copy of each."""
    track = np.repeat(np.arange(20), 12)
    genre = np.array(GENRES)[track % 2]
    group = np.char.add("artist ", (track % 10).astype(str))
    values = (track % 10).astype(np.float32)[:, np.newaxis]
    roles = [np.full(len(track), role) for role in ("train", "altered")]
    own, altered = (
        WindowTable.from_rows(values, np.char.add(track.astype(str), role[0]), genre, group, role)
        for role in roles
    )
    return own + altered


def test_augmented_copies_of_held_out_artists_are_left_out() -> None:
    windows = table()

    def fit(known: WindowTable) -> PredictProba:
        artists = {*known.values[:, 0].tolist()}
        assert all(known.has_role(role).any() for role in ("train", "altered"))

        def classify(values: NDArray[np.floating[Any]]) -> WindowProbabilities:
            assert artists.isdisjoint(values[:, 0].tolist())
            return WindowProbabilities(np.full((len(values), 2), 0.5), 1.0)

        return classify

    predictions = out_of_fold(windows, fit, PARAMS, seed=0, scored=windows.has_role("train"))
    assert len({*predictions.artist.tolist()}) == 10
    counts = predictions.windows.tolist()
    assert {count: counts.count(count) for count in counts} == {1: 20, 3: 20, 10: 20}
    assert {*predictions.windows[predictions.all_windows].tolist()} == {10}


def test_genres_without_other_artists_are_not_predicted() -> None:
    """The probability of a genre is 0 if all of its artists are held out."""
    windows = table()
    tracks = windows.tracks
    tracks.group[tracks.genre == "jazz"] = "one artist"
    fitted: list[list[str]] = []

    def fit(known: WindowTable) -> PredictProba:
        genres = known.genres
        fitted.append(genres.tolist())
        return lambda values: WindowProbabilities(
            np.full((len(values), len(genres)), 1 / len(genres)), 1.0
        )

    for number in (0, 2):
        tracks.genre[np.char.startswith(tracks.name, str(number))] = "rock"
    params = DecisionParams((*GENRES, "rock"), (0.4, 0.4, 0.2), PARAMS.calibration, 0.5, "m")
    predictions = out_of_fold(windows, fit, params, seed=0, scored=windows.has_role("train"))
    jazz = predictions.artist == "one artist"
    assert ["blues", "rock"] in fitted
    assert (predictions.probabilities[jazz] == [0.5, 0, 0.5]).all()
