"""Neither a model nor its calibration is fitted on the artists that it is evaluated on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genremodel.calibration import Calibration
from genremodel.evaluation import OutOfFold
from genremodel.models.base import WindowProbabilities
from genremodel.prediction import DecisionParams
from training.evaluation.evaluate import measure, validate
from training.evaluation.ood import left_out_genres
from training.fit import PredictProba
from training.window_table import WindowTable

GENRES = ("blues", "jazz", "metal", "rock")
PARAMS = DecisionParams(GENRES, (0.25,) * 4, Calibration(0.0, 1.0, 0.0, 0.0, 1.0), 0.5, "m")


def table() -> WindowTable:
    """Return 144 tracks of four windows by 72 artists: songs, training and validation files.

    The genre can be read from the values of seven tracks in eight.
    """
    track = np.repeat(np.arange(144), 4)
    genre = track % 4
    readable = np.where(track % 8 == 7, (genre + 1) % 4, genre)
    noise = np.random.default_rng(0).normal(0, 0.1, (len(track), 4))
    values = (np.eye(4)[readable] + noise).astype(np.float32)
    role = np.array(["song", "train", "valid"])[track // 48]
    group = np.char.add("artist ", (track // 48 * 24 + track % 24).astype(str))
    names = np.array(GENRES)[genre]
    return WindowTable.from_rows(values, track.astype(str), names, group, role)


class RecordingFit:
    """Fits models that read the genre from the values, and records the rows they are fitted on."""

    def __init__(self) -> None:
        self.tables: list[WindowTable] = []

    def __call__(self, table: WindowTable) -> PredictProba:
        self.tables.append(table)
        columns = [GENRES.index(name) for name in table.genres]

        def classify(values: NDArray[np.floating[Any]]) -> WindowProbabilities:
            shares = np.exp(3 * values[:, columns])
            shares /= shares.sum(axis=1, keepdims=True)
            return WindowProbabilities(shares, 1.0)

        return classify


def test_validation_files_affect_neither_fit_nor_calibration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    windows, fit = table(), RecordingFit()
    calibrated: set[str] = set()
    calibration = OutOfFold.calibration

    def recorded(predictions: OutOfFold) -> Calibration:
        calibrated.update(predictions.artist.tolist())
        return calibration(predictions)

    monkeypatch.setattr(OutOfFold, "calibration", recorded)
    scores = validate(windows, fit, PARAMS)
    assert len(scores) == 48
    assert scores.correct.mean() == pytest.approx(7 / 8, abs=0.01)
    valid = {*windows.with_role("valid").groups}
    assert fit.tables
    assert all(valid.isdisjoint(known.groups) for known in fit.tables)
    assert calibrated == {*windows.with_role("song").groups}


def test_left_out_genre_is_not_fitted_on() -> None:
    windows, fit = table(), RecordingFit()
    protocols = {"songs": windows.has_role("song"), "files": windows.has_role("train", "valid")}
    for figures in left_out_genres(windows, fit, PARAMS, protocols, "songs").values():
        assert {*figures["genres"]} == {*GENRES}
    assert all(len(known.genres) == 3 for known in fit.tables)


def test_figures_by_window_count() -> None:
    figures = measure(table(), RecordingFit(), PARAMS, seeds=2)
    for protocol, tracks in (("songs", 48), ("files", 96)):
        counts = [(count, known) for count, known, *_ in figures[protocol]["by_windows"]]
        assert counts == [(1, tracks), (3, tracks), (10, 0)]
        assert figures[protocol]["accuracy"] == pytest.approx(7 / 8, abs=0.01)
