"""That no figure flatters: what is scored was heard neither by the model nor by its calibration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genremodel.calibration import Calibration
from genremodel.models.base import WindowProbabilities
from genremodel.models.novelty import NONMUSIC_NOVELTY, is_nonmusic
from genremodel.prediction import DecisionParams
from training.evaluation.calibration import Verdict, recalibrated
from training.evaluation.evaluate import measure, validate
from training.evaluation.metrics import score_unheard
from training.evaluation.ood import measure_nonmusic, unheard_genres
from training.fit import WindowClassifier
from training.tables import Rows

GENRES = ("blues", "jazz", "metal", "rock")
NOTHING = np.zeros(5)  # weights that take nothing for no music
RULES = DecisionParams(GENRES, (0.25,) * 4, Calibration(0.0, 1.0, 0.0, 0.0, 1.0), 0.5, "m")


def rows() -> Rows:
    """Return 144 tracks of four windows by 72 artists: songs, training and validation files.

    The values tell the genre, seven times in eight.
    """
    track = np.repeat(np.arange(144), 4)
    genre = track % 4
    told = np.where(track % 8 == 7, (genre + 1) % 4, genre)
    noise = np.random.default_rng(0).normal(0, 0.1, (len(track), 4))
    values = (np.eye(4)[told] + noise).astype(np.float32)
    role = np.array(["song", "train", "valid"])[track // 48]
    group = np.char.add("artist ", (track // 48 * 24 + track % 24).astype(str))
    names = np.array(GENRES)[genre]
    return Rows(values, track.astype(str), names, group, np.ones(len(track)), role)


class Heard:
    """Fits models that say what the values say, and tells which rows they were fitted on."""

    def __init__(self) -> None:
        self.rows: list[Rows] = []

    def __call__(self, rows: Rows, nonmusic: NDArray[np.float64] = NOTHING) -> WindowClassifier:
        self.rows.append(rows)
        columns = [GENRES.index(name) for name in np.unique(rows.genre)]

        def judge(values: NDArray[np.floating[Any]]) -> WindowProbabilities:
            shares = np.exp(3 * values[:, columns])
            far = is_nonmusic(nonmusic, values)
            shares /= shares.sum(axis=1, keepdims=True)
            return WindowProbabilities(shares, NONMUSIC_NOVELTY if far else 1.0)

        return judge


def test_a_calibration_has_not_heard_the_artists_that_it_is_scored_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = np.tile([0.9, 0.05, 0.03, 0.02], (3, 1))
    verdicts = [
        Verdict(
            GENRES[number % 2],
            f"artist {number % 10}",
            number % 5,
            True,
            WindowProbabilities(table, 1),
        )
        for number in range(40)
    ]
    known = [replace(verdict, fold=(verdict.fold + 1) % 5) for verdict in verdicts]
    fitted: list[set[str]] = []

    def watched(rules: DecisionParams, some: Iterable[Verdict]) -> DecisionParams:
        some = [*some]
        fitted.append({verdict.group for verdict in some})
        return recalibrated(rules, some)

    monkeypatch.setattr("training.evaluation.metrics.recalibrated", watched)
    scores = score_unheard(verdicts, known, RULES)
    assert len(scores) == 40
    for fold, artists in enumerate(fitted):
        own = {verdict.group for verdict in verdicts if verdict.fold == fold}
        assert artists.isdisjoint(own)
        assert len(artists | own) == 10


def test_nothing_hears_the_validation_files(monkeypatch: pytest.MonkeyPatch) -> None:
    table, fit = rows(), Heard()
    calibrated: list[str] = []

    def watched(rules: DecisionParams, verdicts: Iterable[Verdict]) -> DecisionParams:
        verdicts = [*verdicts]
        calibrated.extend(verdict.group for verdict in verdicts)
        return recalibrated(rules, verdicts)

    monkeypatch.setattr("training.evaluation.evaluate.recalibrated", watched)
    scores = validate(table, fit, RULES)
    assert len(scores) == 48
    assert scores.right.mean() == pytest.approx(7 / 8, abs=0.01)
    valid = {*table.of("valid").group}
    assert fit.rows
    assert all(valid.isdisjoint(known.group) for known in fit.rows)
    assert {*calibrated} == {*table.of("song").group}


def test_a_genre_left_out_is_not_heard() -> None:
    table, fit = rows(), Heard()
    protocols = {"songs": table.are("song"), "files": table.are("train", "valid")}
    for figures in unheard_genres(table, fit, RULES, protocols, "songs").values():
        assert {*figures["genres"]} == {*GENRES}
    assert all(len(np.unique(known.genre)) == 3 for known in fit.rows)


@pytest.mark.parametrize(("other", "told"), [(3.5, 1.0), (-3.0, 0.0)])
def test_a_kind_of_sound_is_judged_by_a_model_that_heard_the_others(
    other: float, told: float
) -> None:
    rng = np.random.default_rng(1)
    sounds = {
        kind: rng.normal(level, 0.1, (20, 4)).astype(np.float32)
        for kind, level in (("one", 3.0), ("other", other))
    }
    figures = measure_nonmusic(rows(), sounds, np.asarray, Heard(), RULES)
    for shares in figures["kinds"].values():
        assert shares["told"] == told  # what is unlike all that was heard is not told


def test_figures_by_how_much_was_heard() -> None:
    figures = measure(rows(), Heard(), RULES, seeds=2)
    for protocol, tracks in (("songs", 48), ("files", 96)):
        heard = [(count, known) for count, known, *_ in figures[protocol]["by_windows"]]
        assert heard == [(1, tracks), (3, tracks), (10, 0)]
        assert figures[protocol]["accuracy"] == pytest.approx(7 / 8, abs=0.01)
