"""Figures of styles against labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from genremodel.style_hierarchy import styles_after_genre
from training.evaluation.style_labels import AfterGenre, Labeled, after_genre_figures, label_figures


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
