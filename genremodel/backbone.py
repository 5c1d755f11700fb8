"""The pretrained network under the genre head, run by onnxruntime."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from genremodel import assets
from genremodel.audio import Windows
from genremodel.constants import ACTIVATIONS, EMBEDDING

NETWORK = "musicnn.onnx"
# Windows at once: no slower than all, and a worker needs a third less memory.
_BATCH = 2


class Backbone:
    """The pruned MSD-musicnn, run by onnxruntime on one thread: tracks are the unit of parallelism.

    Raises ImportError without onnxruntime and AssetError when it cannot load the network.
    """

    def __init__(self, network: bytes | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        network = assets.read(NETWORK) if network is None else network
        try:
            self._session = onnxruntime.InferenceSession(
                network, options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:  # onnxruntime's own errors share no base class
            raise assets.AssetError(f"{NETWORK}: {exc}") from exc

    def run(self, windows: Windows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run the network on the windows of a track.

        Returns (windows, ACTIVATIONS), probabilities of the backbone's tags, and (windows,
        EMBEDDING), its penultimate layer.
        """
        # Imported where files are heard: to import scipy.fft takes longer than to hear one.
        from genremodel.spectrogram import power_spectrogram

        parts = [
            self.run_power(power_spectrogram(windows.samples[i : i + _BATCH]))
            for i in range(0, len(windows.samples), _BATCH)
        ]
        activations, embeddings = map(np.concatenate, zip(*parts, strict=True))
        assert activations.shape[1:] == (ACTIVATIONS,)
        assert embeddings.shape[1:] == (EMBEDDING,)
        return activations, embeddings

    def run_power(self, power: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on power spectrograms, (windows, WINDOW_FRAMES, FFT_BINS)."""
        return self._session.run(["activations", "embedding"], {"power": power})


@lru_cache(maxsize=1)
def bundled_backbone() -> Backbone:
    """Return the backbone of the package, loaded once."""
    return Backbone()
