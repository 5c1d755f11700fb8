"""The bundled networks."""

from __future__ import annotations

import numpy as np

from genremodel.analysis import NetworkOutputs
from genremodel.audio.params import WINDOW_SAMPLES
from genremodel.audio.places import chosen_places
from genremodel.audio.windows import Windows
from genremodel.models.musicnn import MTT_WINDOWS, MusicnnPair


def test_pair_returns_the_outputs_of_each_network() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (10, WINDOW_SAMPLES)).astype(np.float32)
    pair = MusicnnPair.bundled()
    outputs = NetworkOutputs.split(pair.run(Windows(np.arange(10.0), samples)))
    first = chosen_places(MTT_WINDOWS, 10)
    for found, expected in (
        ((outputs.activations, outputs.embeddings), pair.msd.run(samples)),
        (
            (outputs.expert_activations[first], outputs.expert_embeddings[first]),
            pair.mtt.run(samples[first]),
        ),
    ):
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
