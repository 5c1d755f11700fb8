"""The genre heads: small linear classifiers on the tag logits of the backbones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genremodel.audio.params import ACTIVATIONS, EXPERT_START
from genremodel.models._special import logit, softmax
from genremodel.models.novelty import Novelty

# Beyond this logit (an activation of 0.0025) a tag is absent, or present, and how much more so is
# noise. Chosen with the head, see `training/fitting.py`.
_LARGEST_LOGIT = 6.0


def tag_logits(activations: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the logits of activations, which is what heads read. Same shape."""
    return logit(activations).clip(-_LARGEST_LOGIT, _LARGEST_LOGIT)


def track_views(outputs: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return what both networks say of each audible window of a track: (windows, VIEW) tag logits.

    outputs: (windows, OUTPUTS), see `MusicnnPair`. The second network hears a few windows; the mean
    of what it says of those stands beside each.
    """
    second = outputs[:, EXPERT_START:]
    opinion = tag_logits(second[np.isfinite(second).any(axis=1)]).mean(axis=0)
    logits = tag_logits(outputs[:, :ACTIVATIONS])
    return np.concatenate([logits, np.tile(opinion, (len(logits), 1))], axis=1)


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

    def judge(self, outputs: NDArray[np.floating[Any]]) -> WindowProbabilities:
        """Judge the audible windows of a track.

        outputs: (windows, OUTPUTS), or (windows, ACTIVATIONS) without the expert.
        """
        logits = tag_logits(outputs[:, :ACTIVATIONS])
        probabilities = self.network.predict_proba(logits)
        novelty = self.novelty.score(logits, outputs[:, ACTIVATIONS:EXPERT_START])
        second = outputs[:, EXPERT_START:]
        heard = np.isfinite(second).any(axis=1)
        if heard.any():
            both = np.concatenate([logits[heard], tag_logits(second[heard])], axis=1)
            opinion = self.expert.predict_proba(both).mean(axis=0)
            weight = self.expert_weight
            mixed = (1 - weight) * np.log(probabilities) + weight * np.log(opinion)
            probabilities = softmax(mixed)
        return WindowProbabilities(probabilities, novelty)
