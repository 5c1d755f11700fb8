from __future__ import annotations

import numpy as np
import pytest

from genremodel.audio.params import WINDOW_SAMPLES
from genremodel.calibration import Calibration
from genremodel.models.knn import GROUPS, group_mask, window_features
from genremodel.prediction import DecisionParams
from training.feature_selection import choose, select_groups
from training.synthetic_nonmusic import nonmusic
from training.window_table import WindowTable

GENRES = ("blues", "jazz", "rock")
PARAMS = DecisionParams(GENRES, (1 / 3,) * 3, Calibration(0.0, 1.0, 0.0, 0.0, 0.0), 0.5, "m")


def features(informative: str) -> WindowTable:
    """Return 60 tracks by 20 artists whose genre depends on a single group of features."""
    rng = np.random.default_rng(0)
    index = np.arange(60)
    genre = np.array(GENRES)[index % 3]
    values = rng.normal(size=(60, len(group_mask(GROUPS)))).astype(np.float32)
    chosen = group_mask([informative])
    values[:, chosen] += 3 * np.eye(3)[index % 3] @ rng.normal(size=(3, chosen.sum()))
    group = np.char.add("artist ", (index // 3).astype(str))
    return WindowTable.from_rows(values, index.astype(str), genre, group, "train")


def test_informative_group_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.feature_selection._SEEDS", 1)
    choice = choose(features("tonnetz"), PARAMS)
    assert "tonnetz" in choice.groups
    assert len(choice.groups) < len(GROUPS)
    assert {*choice.groups, *(group for group, _ in choice.eliminated)} == {*GROUPS}
    path = [choice.all_groups, *(accuracy for _, accuracy in choice.eliminated)]
    assert path == sorted(path), "accuracy never drops"
    assert all(group in choice.groups and share < path[-1] for group, share in choice.without)
    assert dict(choice.by_neighbors)[choice.neighbors] > 0.9


def test_features_of_some_groups_are_columns_of_all() -> None:
    windows = np.concatenate([*nonmusic(1, np.random.default_rng(0)).values()])
    every, some = window_features(windows), window_features(windows, ["MFCCs", "onsets"])
    assert every.shape == (5, 3 * sum(GROUPS.values()))
    assert some.shape == (5, 3 * 21)
    assert every[:, group_mask(["onsets", "MFCCs"])] == pytest.approx(some, rel=1e-4, abs=1e-5)
    table = features("chroma")
    assert select_groups(table, GROUPS).values.shape == table.values.shape
    assert select_groups(table, ["chroma"]).values.shape == (60, 36)


@pytest.mark.parametrize("level", [0.0, 1e-5, 1.0])
def test_features_of_stationary_sounds_are_finite(level: float) -> None:
    tone = level * np.sin(np.arange(WINDOW_SAMPLES) / 5)
    click = np.zeros(WINDOW_SAMPLES)
    click[100] = level
    assert np.isfinite(window_features(np.stack([tone, click]).astype(np.float32))).all()
