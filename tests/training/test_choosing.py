from __future__ import annotations

import numpy as np
import pytest

from genremodel.audio.params import WINDOW_SAMPLES
from genremodel.calibration import Calibration
from genremodel.models.knn import GROUPS, group_mask, window_features
from genremodel.prediction import DecisionParams
from training.feature_selection import choose, of_groups
from training.synthetic_nonmusic import nonmusic
from training.tables import Rows

GENRES = ("blues", "jazz", "rock")
RULES = DecisionParams(GENRES, (1 / 3,) * 3, Calibration(0.0, 1.0, 0.0, 0.0, 0.0), 0.5, "m")


def rows(telling: str) -> Rows:
    """Return 60 tracks by twenty artists, whose genre only one group of features tells."""
    rng = np.random.default_rng(0)
    index = np.arange(60)
    genre = np.array(GENRES)[index % 3]
    values = rng.normal(size=(60, len(group_mask(GROUPS)))).astype(np.float32)
    told = group_mask([telling])
    values[:, told] += 3 * np.eye(3)[index % 3] @ rng.normal(size=(3, told.sum()))
    group = np.char.add("artist ", (index // 3).astype(str))
    return Rows(values, index.astype(str), genre, group, np.ones(60), np.full(60, "train"))


def test_the_group_that_tells_the_genre_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.feature_selection._SEEDS", 1)
    choice = choose(rows("tonnetz"), RULES)
    assert "tonnetz" in choice.groups
    assert len(choice.groups) < len(GROUPS)
    assert {*choice.groups, *(group for group, _ in choice.left_out)} == {*GROUPS}
    path = [choice.every, *(accuracy for _, accuracy in choice.left_out)]
    assert path == sorted(path), "nothing is lost on the way"
    assert all(group in choice.groups and share < path[-1] for group, share in choice.without)
    assert dict(choice.by_neighbours)[choice.neighbours] > 0.9


def test_the_features_of_some_groups_are_those_columns_of_all() -> None:
    windows = np.concatenate([*nonmusic(1, np.random.default_rng(0)).values()])
    every, some = window_features(windows), window_features(windows, ["MFCCs", "onsets"])
    assert every.shape == (4, 3 * sum(GROUPS.values()))
    assert some.shape == (4, 3 * 21)
    assert every[:, group_mask(["onsets", "MFCCs"])] == pytest.approx(some, rel=1e-4, abs=1e-5)
    table = rows("chroma")
    assert of_groups(table, GROUPS).values.shape == table.values.shape
    assert of_groups(table, ["chroma"]).values.shape == (60, 36)


@pytest.mark.parametrize("level", [0.0, 1e-5, 1.0])
def test_features_of_what_stands_still_are_finite(level: float) -> None:
    tone = level * np.sin(np.arange(WINDOW_SAMPLES) / 5)
    click = np.zeros(WINDOW_SAMPLES)
    click[100] = level
    assert np.isfinite(window_features(np.stack([tone, click]).astype(np.float32))).all()
