"""Fits a network epoch by epoch, from where it was left."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track as progress
from torch import nn

from genremodel.outputs import replace_file
from training.student_systems.networks import NETWORKS

if TYPE_CHECKING:
    from training.student_systems.network_classifier import NetworkClassifier

Examples: TypeAlias = tuple[NDArray[np.float32], NDArray[np.intp]]

_PREDICTED_AT_ONCE = 256
_PLATEAU = 2  # epochs without a lesser loss after which the learning rate is halved


class Learner:
    """A network, its optimiser, and how far it has come.

    history: loss and accuracy after each epoch, on the rows fitted (as they were met) and on those
    kept for early stopping. seconds: what the epochs took, interruptions left out.
    """

    def __init__(self, settings: NetworkClassifier, shape: tuple[int, ...], genres: int) -> None:
        self.settings = settings
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            self.module = NETWORKS[settings.network](shape[0], genres)
            self.module.eval()
            self.module(torch.zeros(1, *shape))  # layers learn how wide their input is
        self.optimiser = torch.optim.Adam(
            self.module.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, factor=0.5, patience=_PLATEAU
        )
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}
        self.seconds = 0.0

    def run(self, train: Examples, stop: Examples, checkpoint: Path | None) -> None:
        """Fit until patience or epochs end, then return to the best epoch. checkpoint: its file."""
        if checkpoint and checkpoint.exists():
            self._load(checkpoint)
        left = range(len(self.history), self.settings.epochs)
        for epoch in progress(left, description=self.settings.network, transient=True):
            if self._waited() >= self.settings.patience:
                break
            began = perf_counter()
            figures = self._epoch(epoch, *train)
            loss, accuracy = self._assess(*stop)
            self.schedule.step(loss)
            if not self.history or loss < min(e["stop_loss"] for e in self.history):
                self.best = {k: v.clone() for k, v in self.module.state_dict().items()}
            self.history.append({**figures, "stop_loss": loss, "stop_accuracy": accuracy})
            self.seconds += perf_counter() - began
            if checkpoint:
                self._save(checkpoint)
        self.module.load_state_dict(self.best)
        self.module.eval()

    def _epoch(
        self, epoch: int, rows: NDArray[np.float32], genre: NDArray[np.intp]
    ) -> dict[str, float]:
        # A seed an epoch: what is drawn does not depend on what was drawn before an interruption.
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed + 1000 * (epoch + 1))
            order = torch.randperm(len(rows)).numpy()
            self.module.train()
            loss_sum, right = 0.0, 0
            for i in range(0, len(order), self.settings.batch):
                some = order[i : i + self.settings.batch]
                if len(some) == 1:  # batch norm needs two
                    continue
                logits = self.module(torch.from_numpy(rows[some]))
                target = torch.from_numpy(genre[some])
                loss = nn.functional.cross_entropy(logits, target)
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                loss_sum += loss.item() * len(some)
                right += int((logits.argmax(1) == target).sum())
        return {"loss": loss_sum / len(order), "accuracy": right / len(order)}

    def _assess(self, rows: NDArray[np.float32], genre: NDArray[np.intp]) -> tuple[float, float]:
        self.module.eval()
        probabilities = predict_proba(self.module, rows)
        own = probabilities[np.arange(len(genre)), genre]
        right = probabilities.argmax(axis=1) == genre
        return float(-np.log(own.clip(1e-12)).mean()), float(right.mean())

    def _waited(self) -> int:
        """Return how many epochs it has been since the best."""
        losses = [epoch["stop_loss"] for epoch in self.history]
        return len(losses) - 1 - int(np.argmin(losses)) if losses else 0

    def _save(self, path: Path) -> None:
        state = {
            "module": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best": self.best,
            "history": self.history,
            "seconds": self.seconds,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        content = BytesIO()
        torch.save(state, content)
        replace_file(path, content.getvalue())  # an interruption must not leave half a file

    def _load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.best, self.history = state["best"], state["history"]
        self.seconds = state["seconds"]


def predict_proba(module: nn.Module, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (rows, genres), rows sum to 1. rows: (rows, bands, frames)."""
    with torch.inference_mode():
        parts = [
            torch.softmax(module(torch.from_numpy(rows[i : i + _PREDICTED_AT_ONCE])), dim=1).numpy()
            for i in range(0, len(rows), _PREDICTED_AT_ONCE)
        ]
    return np.concatenate(parts).astype(np.float64)
