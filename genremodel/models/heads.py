"""Genre heads: linear classifiers on the tag logits of the networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import TAGS, NetworkOutputs
from genremodel.models._special import log, logit, softmax
from genremodel.models.base import WindowProbabilities
from genremodel.models.nonmusic import is_nonmusic
from genremodel.models.novelty import NONMUSIC_NOVELTY, Novelty

LOGITS = 2 * TAGS  # tag logits of both networks
# Logits are clipped to this range: beyond an activation of 0.0025, differences are noise. Chosen
# together with the heads, see `training/fit.py`.
_MAX_LOGIT = 6.0


def tag_logits(activations: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return log(p / (1 - p)) of activations, clipped to [-6, 6]. Same shape.

    Examples
    --------
    >>> tag_logits(np.array([0.0, 0.5, 1.0])).tolist()
    [-6.0, 0.0, 6.0]
    """
    return logit(activations).clip(-_MAX_LOGIT, _MAX_LOGIT)


def window_logits(outputs: NetworkOutputs) -> NDArray[np.float64]:
    """Return the tag logits of both networks for the audible windows of a track.

    MTT-musicnn analyzes few windows: its logits are the mean of those, the same for every window.

    Returns
    -------
    (windows, LOGITS)

    Examples
    --------
    >>> window_logits(NetworkOutputs.split(np.full((3, 500), 0.5))).shape
    (3, 100)
    """
    mean = tag_logits(outputs.expert_activations[outputs.by_both]).mean(axis=0)
    logits = tag_logits(outputs.activations)
    return np.concatenate([logits, np.tile(mean, (len(logits), 1))], axis=1)


def msd_logits(logits: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return the part of MSD-musicnn of `window_logits` or of their mean: (..., TAGS)."""
    return logits[..., :TAGS]


@dataclass(frozen=True)
class LinearHead:
    """Multinomial logistic regression: ``softmax(logits @ weight + bias)``.

    Parameters
    ----------
    weight : (logits, genres)
    bias : (genres,)

    Examples
    --------
    >>> head = LinearHead(np.zeros((50, 2)), np.zeros(2))
    >>> head.predict_proba(np.zeros((1, 50))).tolist()
    [[0.5, 0.5]]
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def predict_proba(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return genre probabilities: (windows, logits) to (windows, genres), rows sum to 1."""
        return softmax(logits @ self.weight + self.bias)


@dataclass(frozen=True)
class GenreHeads:
    """The heads of the bundled CNN, its out-of-distribution score, and its non-music detector.

    ``softmax((1 - w) log p + w log q)``, where p are the probabilities of a window by MSD-musicnn,
    q those of the track by both networks, and w is `mtt_weight`.

    Parameters
    ----------
    msd : LinearHead
        Reads the tag logits of MSD-musicnn.
    both : LinearHead
        Reads the tag logits of both networks, for the windows that both analyzed.
    novelty : Novelty
        The out-of-distribution score.
    nonmusic : (2 * EMBEDDING_SIZE + 1,)
        Weights for embeddings of both networks, see `is_nonmusic`.
    mtt_weight : float
        The weight of `both`, in [0, 1].

    References
    ----------
    Heskes, "Selecting weighting factors in logarithmic opinion pools", NeurIPS 1997.
    """

    msd: LinearHead
    both: LinearHead
    novelty: Novelty
    nonmusic: NDArray[np.float64]
    mtt_weight: float

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> GenreHeads:
        """Return the heads that `to_arrays` was called on."""
        return cls(
            LinearHead(arrays["network_weight"], arrays["network_bias"]),
            LinearHead(arrays["expert_weight"], arrays["expert_bias"]),
            Novelty(arrays["centres"], arrays["whitening"]),
            arrays["nonmusic"],
            float(arrays["mixing"]),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return arrays by the names that they have in `heads.npz`."""
        return {
            "network_weight": self.msd.weight,
            "network_bias": self.msd.bias,
            "expert_weight": self.both.weight,
            "expert_bias": self.both.bias,
            "centres": self.novelty.centroids,
            "whitening": self.novelty.whitening,
            "nonmusic": self.nonmusic,
            "mixing": np.array(self.mtt_weight),
        }

    def predict_proba(self, values: NDArray[np.floating[Any]]) -> WindowProbabilities:
        """Return the genre probabilities of the audible windows of a track.

        Parameters
        ----------
        values : (windows, OUTPUT_SIZE)
            Joined `NetworkOutputs`.
        """
        outputs = NetworkOutputs.split(values)
        logits = tag_logits(outputs.activations)
        probabilities = self.msd.predict_proba(logits)
        detected = is_nonmusic(self.nonmusic, outputs.both_embeddings)
        novelty = NONMUSIC_NOVELTY if detected else self.novelty.score(logits)
        by_both = outputs.by_both
        if by_both.any():
            mtt_logits = tag_logits(outputs.expert_activations[by_both])
            pairs = np.concatenate([logits[by_both], mtt_logits], axis=1)
            track = self.both.predict_proba(pairs).mean(axis=0)
            w = self.mtt_weight
            probabilities = softmax((1 - w) * log(probabilities) + w * log(track))
        return WindowProbabilities(probabilities, novelty)


def balanced_sample_weight(
    genre: NDArray[np.integer[Any]],
    artist: NDArray[Any],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return sample weights with which every genre counts the same, with a mean of 1.

    An artist with four times as many samples counts twice as much. That is between weighting
    samples equally, where one artist may be half of a genre, and weighting artists equally.

    Parameters
    ----------
    genre : (samples,)
        Indices.
    artist : (samples,)
        Of each sample.
    weight : (samples,)
        Weights to start from.

    Examples
    --------
    >>> genre, artist = np.array([0, 0, 1]), np.array(["a", "b", "c"])
    >>> balanced_sample_weight(genre, artist, np.ones(3)).tolist()
    [0.75, 0.75, 1.5]
    """
    _, owner, samples = np.unique(artist, return_inverse=True, return_counts=True)
    weight = weight / np.sqrt(samples[owner])
    weight /= np.bincount(genre, weight)[genre]
    scaled: NDArray[np.float64] = weight * len(weight) / weight.sum()
    return scaled


def fit_linear_head(
    logits: NDArray[np.floating[Any]],
    genre: NDArray[np.integer[Any]],
    weight: NDArray[np.float64],
    genres: int,
    c: float,
) -> LinearHead:
    """Fit multinomial logistic regression on standardized tag logits. Needs scikit-learn.

    Parameters
    ----------
    logits : (samples, logits)
        Tag logits.
    genre : (samples,)
        Indices below `genres`, at least two of them.
    weight : (samples,)
        Sample weights.
    genres : int
        The number of genres. One without samples is less probable than all others.
    c : float
        Inverse regularization strength, scikit-learn's C.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(logits)
    regression = LogisticRegression(C=c, tol=1e-3, max_iter=1000)
    regression.fit(scaler.transform(logits), genre, sample_weight=weight)
    coefficients, intercepts = regression.coef_, regression.intercept_
    known = regression.classes_
    if len(known) == 2:  # scikit-learn has one row: the log-odds of the second genre
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weights = np.zeros((logits.shape[1], genres))
    bias = np.full(genres, intercepts.min() - 1)
    weights[:, known] = coefficients.T / scaler.scale_[:, np.newaxis]  # includes the scaling
    bias[known] = intercepts - scaler.mean_ @ weights[:, known]
    return LinearHead(weights, bias)
