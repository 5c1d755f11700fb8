"""The genre heads: small linear classifiers on the tag logits of the backbones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import TAGS, NetworkOutputs
from genremodel.models._special import logit, softmax
from genremodel.models.novelty import Novelty

# Beyond this logit (an activation of 0.0025) a tag is absent, or present, and how much more so is
# noise. Chosen with the head, see `training/fitting.py`.
_LARGEST_LOGIT = 6.0
LOGITS = 2 * TAGS  # tag logits of both networks


def tag_logits(activations: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the logits of activations, which is what heads read. Same shape."""
    return logit(activations).clip(-_LARGEST_LOGIT, _LARGEST_LOGIT)


def window_logits(outputs: NetworkOutputs) -> NDArray[np.float64]:
    """Return the tag logits of both networks for the audible windows of a track.

    The second network analyzes a few windows; the mean of its logits stands beside each window.
    Returns (windows, LOGITS).
    """
    expert = outputs.expert_activations
    mean = tag_logits(expert[np.isfinite(expert).any(axis=1)]).mean(axis=0)
    logits = tag_logits(outputs.activations)
    return np.concatenate([logits, np.tile(mean, (len(logits), 1))], axis=1)


def msd_logits(logits: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return the part of `window_logits`, or of their means, that is of the first network."""
    return logits[..., :TAGS]


@dataclass(frozen=True)
class LinearHead:
    """Multinomial logistic regression on tag logits.

    weight: (logits, genres). bias: (genres,).
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def predict_proba(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the probability of each genre for each window.

        logits: (windows, logits), see `tag_logits`. Returns (windows, genres), rows sum to 1.
        """
        return softmax(logits @ self.weight + self.bias)


class WindowProbabilities(NamedTuple):
    """What a model says of the audible windows of a track.

    probabilities: (windows, genres), rows sum to 1. novelty: the logarithm of how far the track is
    from all that the model was fitted on.
    """

    probabilities: NDArray[np.float64]
    novelty: float


@dataclass(frozen=True)
class GenreHeads:
    """Two heads and what is new to them.

    network: reads the activations of a window. expert: reads those of both networks where both have
    heard the window; what it says of the track, on average, is weighed against every window's own
    probabilities, log-linearly (Heskes, "Selecting weighting factors in logarithmic opinion pools",
    NeurIPS 1997), by expert_weight in [0, 1].
    """

    network: LinearHead
    expert: LinearHead
    novelty: Novelty
    expert_weight: float

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> GenreHeads:
        """Return what `to_arrays` was called on."""
        return cls(
            LinearHead(arrays["network_weight"], arrays["network_bias"]),
            LinearHead(arrays["expert_weight"], arrays["expert_bias"]),
            Novelty(arrays["centres"], arrays["whitening"], arrays["nonmusic"]),
            float(arrays["mixing"]),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return it as arrays, by name."""
        return {
            "network_weight": self.network.weight,
            "network_bias": self.network.bias,
            "expert_weight": self.expert.weight,
            "expert_bias": self.expert.bias,
            "centres": self.novelty.centres,
            "whitening": self.novelty.whitening,
            "nonmusic": self.novelty.nonmusic,
            "mixing": np.array(self.expert_weight),
        }

    def judge(self, values: NDArray[np.floating[Any]]) -> WindowProbabilities:
        """Judge the audible windows of a track by the joined outputs of both networks."""
        activations, embeddings, expert_activations = NetworkOutputs.split(values)
        logits = tag_logits(activations)
        probabilities = self.network.predict_proba(logits)
        novelty = self.novelty.score(logits, embeddings)
        chosen = np.isfinite(expert_activations).any(axis=1)
        if chosen.any():
            both = np.concatenate([logits[chosen], tag_logits(expert_activations[chosen])], axis=1)
            opinion = self.expert.predict_proba(both).mean(axis=0)
            weight = self.expert_weight
            mixed = (1 - weight) * np.log(probabilities) + weight * np.log(opinion)
            probabilities = softmax(mixed)
        return WindowProbabilities(probabilities, novelty)
