"""The CNN backend: two pretrained musicnn networks, run by ONNX Runtime or NumPy, and the heads."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, OUTPUT_SIZE, TAGS, NetworkOutputs
from genremodel.audio.places import FIRST_WINDOWS, chosen_places
from genremodel.audio.spectrogram import power_spectrogram
from genremodel.audio.windows import Windows
from genremodel.errors import ModelError
from genremodel.models import base, bundled
from genremodel.models.base import WindowProbabilities
from genremodel.models.bundled import MSD_FILE, MTT_FILE
from genremodel.models.numpy_network import NumpyNetwork

Runtime: TypeAlias = Literal["onnx", "numpy"]
# Returns activations and embeddings for power spectrograms, (windows, WINDOW_FRAMES, FFT_BINS).
Network: TypeAlias = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]

MTT_WINDOWS = FIRST_WINDOWS  # of a track that MTT-musicnn analyzes
# Windows per run of a network: no slower than all at once, and a worker needs less memory.
_BATCH = 2


class MusicnnSession:
    """A pruned musicnn.

    Parameters
    ----------
    network : bytes
        The content of the ONNX file.
    runtime : {"onnx", "numpy"}
        Evaluates the network. Both give the same outputs, up to rounding errors; NumPy takes about
        twice as long.

    Raises
    ------
    ImportError
        If onnxruntime cannot be imported.
    ModelError
        If the runtime cannot load the network.

    Examples
    --------
    >>> activations, embeddings = bundled_session().run(np.zeros((1, 48_000), np.float32))
    >>> activations.shape, embeddings.shape
    ((1, 50), (1, 200))
    """

    def __init__(self, network: bytes, runtime: Runtime = "onnx") -> None:
        self._network = RUNTIMES[runtime](network)

    def run(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return activations and embeddings.

        Parameters
        ----------
        samples : (windows, WINDOW_SAMPLES)
            Mono at `SAMPLE_RATE`, at least one window.

        Returns
        -------
        (windows, TAGS), (windows, EMBEDDING_SIZE)
            Probabilities of the tags, and the penultimate layer.
        """
        return self.run_power(power_spectrogram(samples))

    def run_power(
        self, power: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the same for power spectrograms, (windows, WINDOW_FRAMES, FFT_BINS)."""
        parts = [self._network(power[i : i + _BATCH]) for i in range(0, len(power), _BATCH)]
        activations, embeddings = map(np.concatenate, zip(*parts, strict=True))
        assert activations.shape[1:] == (TAGS,)
        assert embeddings.shape[1:] == (EMBEDDING_SIZE,)
        return activations, embeddings


def _onnx_network(content: bytes) -> Network:
    """Load a network into ONNX Runtime, on a single thread: tracks are processed in parallel."""
    # Must be set before the import. The telemetry writes into the home folder.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except ImportError:
        raise
    except Exception as exc:  # the errors of onnxruntime have no common base class
        raise ModelError(f"the network cannot be loaded: {exc}") from exc
    return lambda power: session.run(["activations", "embedding"], {"power": power})


# In the order of preference.
RUNTIMES: Mapping[Runtime, Callable[[bytes], Network]] = {
    "onnx": _onnx_network,
    "numpy": NumpyNetwork,
}


@lru_cache(maxsize=4)
def bundled_session(name: str = MSD_FILE, runtime: Runtime = "onnx") -> MusicnnSession:
    """Return the session of a bundled network, which is loaded once."""
    return MusicnnSession(bundled.read(name), runtime)


@dataclass(frozen=True)
class MusicnnPair:
    """Both networks.

    Parameters
    ----------
    msd : MusicnnSession
        MSD-musicnn, whose tags are mostly genres and moods. Analyzes all windows.
    mtt : MusicnnSession
        MTT-musicnn, whose tags are mostly instruments. Analyzes `MTT_WINDOWS` windows.
    """

    msd: MusicnnSession
    mtt: MusicnnSession

    @classmethod
    def bundled(cls, runtime: Runtime = "onnx") -> MusicnnPair:
        """Return the bundled networks."""
        return cls(bundled_session(MSD_FILE, runtime), bundled_session(MTT_FILE, runtime))

    def run(self, windows: Windows) -> NDArray[np.float32]:
        """Return the joined `NetworkOutputs` of at least one window: (windows, OUTPUT_SIZE)."""
        values = np.full((len(windows.starts), OUTPUT_SIZE), np.nan, np.float32)
        outputs = NetworkOutputs.split(values)
        power = power_spectrogram(windows.samples)
        outputs.activations[:], outputs.embeddings[:] = self.msd.run_power(power)
        both = _both_networks(windows)
        if both.any():
            outputs.expert_activations[both], outputs.expert_embeddings[both] = self.mtt.run_power(
                power[both]
            )
        return values


def _both_networks(windows: Windows) -> NDArray[np.bool_]:
    """Return which of the windows MTT-musicnn analyzes: the first ones, or other audible ones."""
    places, audible = np.flatnonzero(windows.places), windows.audible
    first = np.isin(places, chosen_places(MTT_WINDOWS, len(windows.places)))
    if audible[first].all():
        return first
    chosen = np.flatnonzero(audible)[chosen_places(MTT_WINDOWS, int(audible.sum()))]
    return np.isin(np.arange(len(places)), chosen)


def features_version(checksum: Callable[[str], str] = bundled.checksum) -> str:
    """Return the version of the outputs of both networks, without loading them.

    checksum: returns the SHA-256 of a file, by default of the bundled one.
    Raises ModelError if `model.json` cannot be read.
    """
    return f"{checksum(MSD_FILE)}, {checksum(MTT_FILE)} in {MTT_WINDOWS}"


def analysis_version() -> str:
    """Return the version of analyses by the bundled networks, without loading them.

    Raises ModelError if `model.json` cannot be read.
    """
    return base.analysis_version(features_version())


class CnnBackend:
    """The bundled networks with the genre heads fitted on them.

    Parameters
    ----------
    runtime : {"onnx", "numpy"}
        Evaluates the networks. The version of the analyses does not depend on it.

    Raises
    ------
    ImportError
        If onnxruntime cannot be imported.
    ModelError
        If a file of the model cannot be loaded.

    Examples
    --------
    >>> cnn = CnnBackend()
    >>> windows = Windows(np.zeros(1), np.zeros((1, 48_000), np.float32))
    >>> cnn.predict_proba(cnn.analyze(windows)).probabilities.shape
    (1, 11)
    """

    def __init__(self, runtime: Runtime = "onnx") -> None:
        self.name: Runtime = runtime
        self.params = bundled.bundled_params("cnn")
        self.networks = MusicnnPair.bundled(runtime)
        self.heads = bundled.bundled_heads()
        self.features_version = features_version()

    def analyze(self, windows: Windows) -> NDArray[np.float32]:
        """Return the joined outputs of both networks: (windows, OUTPUT_SIZE)."""
        return self.networks.run(windows)

    def predict_proba(self, values: NDArray[np.floating[Any]]) -> WindowProbabilities:
        """Return the genre probabilities of the audible windows of a track."""
        return self.heads.predict_proba(values)
