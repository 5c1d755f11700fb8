"""Trains a network epoch by epoch, with early stopping and checkpoints."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track as progress
from torch import nn

from genremodel.output_files import replace_atomically
from training.student_systems.networks import NETWORKS

Samples: TypeAlias = tuple[NDArray[np.float32], NDArray[np.intp]]  # inputs and genres

_PREDICTION_BATCH = 256
_PLATEAU = 2  # epochs without a lower loss after which the learning rate is halved


class Trainer:
    """A network with its optimizer and training history.

    The hyperparameters are those of `NetworkClassifier`.

    Attributes
    ----------
    module
        The network; after `fit`, with the weights of the best epoch.
    history
        Loss and accuracy of each epoch, on the training samples (during the epoch) and on those
        held out for early stopping.
    seconds
        Training time, without interruptions.
    """

    def __init__(
        self,
        network: str,
        shape: tuple[int, ...],
        genres: int,
        *,
        batch: int,
        learning_rate: float,
        weight_decay: float,
        epochs: int,
        patience: int,
        seed: int,
    ) -> None:
        self.network = network
        self.batch = batch
        self.epochs = epochs
        self.patience = patience
        self.seed = seed
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.module = NETWORKS[network](shape[0], genres)
            self.module.eval()
            self.module(torch.zeros(1, *shape))  # initializes the lazy layers
        self.optimizer = torch.optim.Adam(
            self.module.parameters(), learning_rate, weight_decay=weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer, factor=0.5, patience=_PLATEAU
        )
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}
        self.seconds = 0.0

    def fit(self, train: Samples, held_out: Samples, checkpoint: Path | None) -> None:
        """Train until patience or epochs run out, then restore the best epoch.

        checkpoint: file of the state after every epoch; if it exists, training is resumed from it.
        """
        if checkpoint and checkpoint.exists():
            self._load(checkpoint)
        left = range(len(self.history), self.epochs)
        for epoch in progress(left, description=self.network, transient=True):
            if self._epochs_since_best() >= self.patience:
                break
            began = perf_counter()
            figures = self.train_epoch(epoch, *train)
            loss, accuracy = self._evaluate(*held_out)
            self.schedule.step(loss)
            if not self.history or loss < min(e["stop_loss"] for e in self.history):
                self.best = {k: v.clone() for k, v in self.module.state_dict().items()}
            self.history.append({**figures, "stop_loss": loss, "stop_accuracy": accuracy})
            self.seconds += perf_counter() - began
            if checkpoint:
                self._save(checkpoint)
        self.module.load_state_dict(self.best)
        self.module.eval()

    def train_epoch(
        self, epoch: int, inputs: NDArray[np.float32], genre: NDArray[np.intp]
    ) -> dict[str, float]:
        """Train for one epoch and return its loss and accuracy."""
        # One seed per epoch, so a resumed run draws the same random numbers.
        with torch.random.fork_rng():
            torch.manual_seed(self.seed + 1000 * (epoch + 1))
            order = torch.randperm(len(inputs)).numpy()
            self.module.train()
            loss_sum, correct = 0.0, 0
            for i in range(0, len(order), self.batch):
                batch = order[i : i + self.batch]
                if len(batch) == 1:  # batch norm needs two
                    continue
                logits = self.module(torch.from_numpy(inputs[batch]))
                target = torch.from_numpy(genre[batch])
                loss = nn.functional.cross_entropy(logits, target)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                loss_sum += loss.item() * len(batch)
                correct += int((logits.argmax(1) == target).sum())
        return {"loss": loss_sum / len(order), "accuracy": correct / len(order)}

    def _evaluate(
        self, inputs: NDArray[np.float32], genre: NDArray[np.intp]
    ) -> tuple[float, float]:
        self.module.eval()
        probabilities = predict_proba(self.module, inputs)
        of_true_genre = probabilities[np.arange(len(genre)), genre]
        correct = probabilities.argmax(axis=1) == genre
        return float(-np.log(of_true_genre.clip(1e-12)).mean()), float(correct.mean())

    def _epochs_since_best(self) -> int:
        losses = [epoch["stop_loss"] for epoch in self.history]
        return len(losses) - 1 - int(np.argmin(losses)) if losses else 0

    def _save(self, path: Path) -> None:
        state = {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best": self.best,
            "history": self.history,
            "seconds": self.seconds,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        content = BytesIO()
        torch.save(state, content)
        replace_atomically(path, content.getvalue())  # interruptions must not leave a partial file

    def _load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.best, self.history = state["best"], state["history"]
        self.seconds = state["seconds"]


def predict_proba(module: nn.Module, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return probabilities, (samples, genres). inputs: (samples, bands, frames)."""
    with torch.inference_mode():
        parts = [
            torch.softmax(
                module(torch.from_numpy(inputs[i : i + _PREDICTION_BATCH])), dim=1
            ).numpy()
            for i in range(0, len(inputs), _PREDICTION_BATCH)
        ]
    return np.concatenate(parts).astype(np.float64)
