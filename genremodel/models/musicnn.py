"""The pretrained networks under the genre heads, run by onnxruntime."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, TAGS, NetworkOutputs
from genremodel.audio.spacing import evenly_spaced
from genremodel.errors import ModelError
from genremodel.models import bundled as assets

if TYPE_CHECKING:
    from genremodel.audio.decoding import Windows

NETWORK = "musicnn.onnx"  # MSD-musicnn: what people call songs, heard in every window
EXPERT = "mtt_musicnn.onnx"  # MTT-musicnn: what instruments there are, heard in a few
# Windows of a track that the expert analyzes: 3 are as accurate as 10, 1 is worse by 0.01.
EXPERT_WINDOWS = 3
# Windows at once: no slower than all, and a worker needs a third less memory.
_BATCH = 2


class Backbone:
    """A pruned musicnn, run by onnxruntime on one thread: tracks are the unit of parallelism.

    network: the bytes of its ONNX file.
    Raises ImportError without onnxruntime and ModelError when it cannot load the network.
    """

    def __init__(self, network: bytes) -> None:
        # Before the import: its telemetry would write into the home folder from then on.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(
                network, options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:  # onnxruntime's own errors share no base class
            raise ModelError(f"the network cannot be loaded: {exc}") from exc

    def run(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run the network on windows, (windows, WINDOW_SAMPLES), at least one.

        Returns (windows, TAGS), probabilities of the backbone's tags, and (windows,
        EMBEDDING_SIZE), its penultimate layer.
        """
        # Imported where files are heard: to import scipy.fft takes longer than to hear one.
        from genremodel.audio.spectrogram import power_spectrogram

        parts = [
            self.run_power(power_spectrogram(samples[i : i + _BATCH]))
            for i in range(0, len(samples), _BATCH)
        ]
        activations, embeddings = map(np.concatenate, zip(*parts, strict=True))
        assert activations.shape[1:] == (TAGS,)
        assert embeddings.shape[1:] == (EMBEDDING_SIZE,)
        return activations, embeddings

    def run_power(self, power: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on power spectrograms, (windows, WINDOW_FRAMES, FFT_BINS)."""
        return self._session.run(["activations", "embedding"], {"power": power})


@lru_cache(maxsize=2)
def bundled_backbone(name: str = NETWORK) -> Backbone:
    """Return a network of the package, loaded once."""
    return Backbone(assets.read(name))


@dataclass(frozen=True)
class MusicnnPair:
    """Two views of one track: MSD-musicnn hears all of its windows, MTT-musicnn a few of them."""

    network: Backbone
    expert: Backbone

    @classmethod
    def bundled(cls) -> MusicnnPair:
        """Return those of the package."""
        return cls(bundled_backbone(NETWORK), bundled_backbone(EXPERT))

    def run(self, windows: Windows) -> NDArray[np.float32]:
        """Return the outputs of both networks, joined, for at least one window."""
        activations, embeddings = self.network.run(windows.samples)
        expert_activations = np.full_like(activations, np.nan)
        chosen = evenly_spaced(np.flatnonzero(windows.audible), EXPERT_WINDOWS)
        if len(chosen):
            expert_activations[chosen] = self.expert.run(windows.samples[chosen])[0]
        return NetworkOutputs(activations, embeddings, expert_activations).join()
