"""What the backbone says of a track, window by window: the part that is worth keeping."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from genremodel import assets
from genremodel.audio import Windows
from genremodel.constants import ACTIVATIONS, EMBEDDING
from genremodel.spectrogram import power_spectrogram

NETWORK = "musicnn.onnx"


@dataclass(frozen=True)
class Analysis:
    """The backbone's outputs for the windows of one track.

    starts: (n,) seconds. audible: (n,) False where a window is digital silence.
    activations: (n, ACTIVATIONS) probabilities of the backbone's tags.
    embeddings: (n, EMBEDDING) its penultimate layer.
    """

    starts: NDArray[np.float64]
    audible: NDArray[np.bool_]
    activations: NDArray[np.float32]
    embeddings: NDArray[np.float32]


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

    def analyse(self, windows: Windows) -> Analysis:
        """Run the network on the windows of a track."""
        power = power_spectrogram(windows.samples)
        activations, embeddings = self._session.run(["activations", "embedding"], {"power": power})
        assert activations.shape[1:] == (ACTIVATIONS,)
        assert embeddings.shape[1:] == (EMBEDDING,)
        return Analysis(windows.starts, windows.audible, activations, embeddings)


@lru_cache(maxsize=1)
def bundled_backbone() -> Backbone:
    """Return the backbone of the package, loaded once."""
    return Backbone()
