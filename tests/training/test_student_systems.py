"""The models of the five student systems, on the project's data."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.variants import variants
from training.datasets import gtzan_mel
from training.student_systems.baseline import View
from training.student_systems.network_classifier import NetworkClassifier
from training.student_systems.protocols import Fold, cross_validated, honest
from training.student_systems.registry import BASELINES
from training.student_systems.results import networks
from training.student_systems.song_classifier import SongClassifier
from training.student_systems.views import VIEWS, cut, taggrams

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="networks need PyTorch: make compare"
)
CLASSIC = [name for name, baseline in BASELINES.items() if not networks(baseline.make(None))]


@pytest.fixture(scope="module")
def fold(data: Path) -> Callable[[View], Fold]:
    """Return a function of a view: training and test songs, of the middle 6 s or of windows."""

    @cache
    def of(view: View) -> Fold:
        if view == "activations":
            return cross_validated(taggrams(data))[0]
        songs = gtzan_mel.load(data)
        return honest(songs.with_values(VIEWS[view](cut(songs.values, 6))))[0]

    return of


@pytest.mark.parametrize("name", variants(CLASSIC, default=["forest"]))
def test_classic_models_beat_chance_on_unseen_artists(
    name: str, fold: Callable[[View], Fold]
) -> None:
    baseline = BASELINES[name]
    train, test = fold(baseline.view).train, fold(baseline.view).test
    model = baseline.make(None).fit(train.values, train.genre)
    probabilities = model.predict_proba(test.values)
    assert probabilities.shape == (len(test), 10)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.mean(model.predict(test.values) == test.genre) > 0.25  # chance is 0.1


@needs_torch
@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize(
    "name",
    variants(sorted(set(BASELINES) - set(CLASSIC)), default=["lstm", "cnn-rnn-ensemble"]),
)
def test_training_lowers_the_loss_of_networks(name: str, fold: Callable[[View], Fold]) -> None:
    baseline = BASELINES[name]
    train = fold(baseline.view).train[np.arange(0, len(fold(baseline.view).train), 5)]
    model = baseline.make(None)
    for network in networks(model):
        network.epochs = 2
    model.fit(train.values, train.genre, groups=train.group)
    for network in networks(model):
        first, second = network.history_
        assert second["loss"] < first["loss"]
    probabilities = model.predict_proba(train.values[:20])
    assert probabilities.shape == (20, 10)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_ties_go_to_the_more_frequent_genre() -> None:
    class Undecided:
        def fit(self, X: NDArray[np.float32], y: NDArray[np.str_]) -> None: ...

        def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
            return np.full((len(X), 2), 0.5)

    model = SongClassifier(Undecided(), lambda rows: rows)
    values = np.zeros((3, 2, 1))
    assert set(model.fit(values, np.array(["a", "b", "b"])).predict(values)) == {"b"}
    assert set(model.fit(values, np.array(["a", "a", "b"])).predict(values)) == {"a"}


@pytest.fixture
def rows() -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Return samples that a network can separate."""
    genre = np.tile(["jazz", "metal"], 40)
    noise = np.random.default_rng(0).normal(size=(80, 6, 5)).astype(np.float32)
    noise[genre == "metal", :, 2:] += 0.7
    return noise, genre


@needs_torch
def test_resumed_fit_gives_the_same_result(
    rows: tuple[NDArray[np.float32], NDArray[np.str_]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.student_systems.trainer import Trainer

    def network(checkpoints: Path | None) -> NetworkClassifier:
        return NetworkClassifier("bi_lstm_dropout", epochs=4, checkpoints=checkpoints)

    straight = network(None).fit(*rows)
    epochs: list[int] = []
    one_epoch: Callable[..., dict[str, float]] = Trainer.train_epoch

    def interrupted(self: Trainer, epoch: int, *data: object) -> dict[str, float]:
        if epoch == 2 and not epochs.count(2):
            epochs.append(epoch)
            raise KeyboardInterrupt
        epochs.append(epoch)
        return one_epoch(self, epoch, *data)

    monkeypatch.setattr(Trainer, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        network(tmp_path).fit(*rows)
    resumed = network(tmp_path).fit(*rows)
    assert epochs == [0, 1, 2, 2, 3]
    assert resumed.history_ == straight.history_
    assert np.array_equal(resumed.predict_proba(rows[0]), straight.predict_proba(rows[0]))
    again = network(tmp_path).fit(*rows)
    assert epochs == [0, 1, 2, 2, 3]  # a finished fit is not repeated
    assert again.seconds_ == resumed.seconds_


@needs_torch
def test_early_stopping_ends_a_fit_without_progress() -> None:
    noise = np.random.default_rng(0).normal(size=(80, 6, 5)).astype(np.float32)
    genre = np.tile(["jazz", "metal"], 40)  # independent of the noise
    network = NetworkClassifier("lstm", epochs=60, patience=3, learning_rate=0.01)
    network.fit(noise, genre)
    losses = [epoch["stop_loss"] for epoch in network.history_]
    assert len(losses) == np.argmin(losses) + 4 < 60
