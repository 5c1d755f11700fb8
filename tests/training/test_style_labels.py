"""Figures of styles against labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from genremodel.analysis import OUTPUT_SIZE, TAGS
from genremodel.calibration import Calibration
from genremodel.prediction import DecisionParams
from genremodel.style_hierarchy import styles_after_genre
from genremodel.styles import Style
from training.evaluation.style_labels import (
    AfterGenre,
    Labeled,
    after_genre_figures,
    label_figures,
    measure_styles,
)
from training.window_table import Role, WindowTable


def test_label_figures() -> None:
    tracks = Labeled(
        artist=np.array(["a", "a", "b", "c"]),
        is_labeled=np.array([True, True, False, False]),
        strength=np.array([1.5, 0.5, 1.0, 0.1]),
    )
    found = label_figures(tracks)
    assert (found["tracks"], found["artists"]) == (2, 1)
    assert (found["auc"], found["precision"], found["recall"]) == (0.75, 0.5, 0.5)
    assert found["intervals"].keys() == {"auc", "precision", "recall"}
    assert label_figures(tracks[tracks.is_labeled])["auc"] is None


def test_figures_of_a_style_after_a_genre() -> None:
    nan = np.nan
    run = AfterGenre(
        artist=np.array(["a", "b", "c", "d"]),
        has_style=np.array([True, True, False, True]),
        is_right=np.array([True, False, False, True]),
        fits=np.array([True, True, False, True]),
        agrees=np.array([1, nan, 0, nan]),
    )
    found = after_genre_figures([run, run])
    assert (found["seeds"], found["tracks"], found["artists"], found["labeled"]) == (2, 3, 3, 1)
    assert (found["genre"], found["parent"]) == (pytest.approx(2 / 3, abs=1e-4), 1)
    assert (found["label"], found["without"]) == (1, 0.5)


def test_released_figures_cover_every_style(bundled: dict[str, Any]) -> None:
    figures = bundled["style_labels"]
    labeled = {of["style"] for of in figures["labels"]}
    assert labeled | {*figures["unlabeled"]} == bundled["styles"].keys()
    assert labeled.isdisjoint(figures["unlabeled"])
    assert [of["style"] for of in figures["after_genre"]] == [*styles_after_genre()]
    assert all(of["parent"] > 0.8 for of in figures["after_genre"])


def test_thresholds_are_those_of_the_measured_model() -> None:
    """Not those of the installed one."""

    def table(role: Role) -> WindowTable:
        track = np.arange(40)
        genre = np.array(["pop", "jazz"])[track % 2]
        values = np.random.default_rng(0).uniform(0, 0.05, (40, OUTPUT_SIZE)).astype(np.float32)
        values[:, :TAGS][track % 2 == 0] += 0.5
        names = np.char.add(f"{role} ", track.astype(str))
        artists = np.char.add(f"{role} artist ", (track // 4).astype(str))
        return WindowTable.from_rows(values, names, genre, artists, role)

    songs, files = table("song"), table("train")
    calibration = Calibration(0.0, 1.0, 0.0, 0.0, 1.0)
    params = DecisionParams(("jazz", "pop"), (0.5, 0.5), calibration, 0.5, "m")
    id3_genres = dict.fromkeys(files.names.tolist(), "Alternative Rock")
    for threshold, recall in ((0.1, 0.5), (1.0, 0.0)):
        indie = Style("indie", 0, threshold)
        found = measure_styles(songs + files, files, id3_genres, params, [indie])
        (label,), (after,) = found["labels"], found["after_genre"]
        assert (label["tracks"], after["style"], found["unlabeled"]) == (40, "indie", [])
        assert label["recall"] == recall, "that of the tracks of pop"
        assert bool(after["tracks"]) == bool(recall)
