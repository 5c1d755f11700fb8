"""Exports the pruned network, including mel filters and logarithm, as one ONNX graph."""

from __future__ import annotations

from itertools import count
from math import log
from typing import Any

import librosa
import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from genremodel.analysis import EMBEDDING_SIZE, TAGS
from genremodel.audio.params import (
    FFT_BINS,
    FFT_SIZE,
    LOG_GAIN,
    MEL_BANDS,
    SAMPLE_RATE,
    WINDOW_FRAMES,
)
from training.musicnn.network import Affine, Array, Block
from training.musicnn.prune import MiddleBlock, PrunedMusicnn

_OPSET = 17
_IR_VERSION = 8  # the newest that the oldest supported onnxruntime reads
_BINS = MEL_BANDS // 2 + 1  # of the Fourier transform over the bands


def to_onnx(net: PrunedMusicnn) -> onnx.ModelProto:
    """Return the graph from power spectrograms to activations and embedding.

    Input `power` (n, WINDOW_FRAMES, FFT_BINS); outputs `activations` (n, TAGS) and
    `embedding` (n, EMBEDDING_SIZE), all float32.
    """
    graph = _Graph()
    x = graph.affine(_log_mel(graph, "power"), net.input_norm)
    spectrum = _spectrum(graph, x)
    x = graph.add("Unsqueeze", x, graph.constant([1], np.int64))  # (n, 1, frames, bands)
    front = [_timbral_block(graph, spectrum, block) for block in net.timbral]
    front += [_temporal_block(graph, x, block) for block in net.temporal]
    layers = [graph.add("Concat", *front, axis=1)]
    for number, block in enumerate(net.middle):
        layers.append(_middle_block(graph, layers[-1], block, residual=number > 0))
    features = graph.add("Concat", *layers, axis=1)  # (n, channels, frames)
    pooled = graph.add(
        "Concat",
        graph.add("ReduceMax", features, axes=[2], keepdims=0),
        graph.add("ReduceMean", features, axes=[2], keepdims=0),
        axis=1,
    )
    kernel, bias = net.dense
    hidden = graph.add("Relu", graph.dense(pooled, (kernel.reshape(-1, EMBEDDING_SIZE), bias)))
    graph.affine(hidden, net.dense_norm, name="embedding")
    graph.add("Sigmoid", graph.dense("embedding", net.tags), name="activations")
    return graph.model()


def _log_mel(graph: _Graph, power: str) -> str:
    filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=FFT_SIZE, n_mels=MEL_BANDS)
    mel = graph.add("MatMul", power, graph.constant(filters.T))
    scaled = graph.add("Add", graph.add("Mul", mel, graph.constant(LOG_GAIN)), graph.constant(1.0))
    return graph.add("Mul", graph.add("Log", scaled), graph.constant(1 / log(10)))


def _spectrum(graph: _Graph, x: str) -> str:
    """Compute the discrete Fourier transform of each frame over its bands.

    Returns (n, 2 * _BINS, frames): the real and imaginary parts of the first bin, and so on.
    """
    waves = np.exp(-2j * np.pi * np.outer(np.arange(MEL_BANDS), np.arange(_BINS)) / MEL_BANDS)
    parts = np.stack([waves.real, waves.imag], axis=2).reshape(MEL_BANDS, -1)
    return graph.add("Transpose", graph.add("MatMul", x, graph.constant(parts)), perm=[0, 2, 1])


def _timbral_block(graph: _Graph, spectrum: str, block: Block) -> str:
    """Convolve over frames and bands, then take the maximum over the positions in the bands.

    A convolution over bands is a product in each bin of their Fourier transform: a quarter of the
    work for filters as wide as these. Counted from the middle, position q is E(q) + O(q) and
    position -q is E(q) - O(q), with the sums of cosines E and of sines O; the larger one is
    E(q) + |O(q)|.
    """
    frames, bands, channels = block.kernel.shape
    sign, bins = np.sign(block.norm.scale), np.arange(_BINS)
    middle = (MEL_BANDS - bands) / 2
    waves = np.exp(2j * np.pi * np.outer(bins, np.arange(bands) + middle) / MEL_BANDS)
    kernel = np.einsum("kb,tbc->kct", waves, block.kernel * sign)
    angles = 2 * np.pi * np.outer(np.arange(middle % 1, middle + 1), bins) / MEL_BANDS
    # All bins but the first and the last also represent their mirror images.
    weights = np.where(bins % (MEL_BANDS // 2), 2, 1) / MEL_BANDS
    before = (frames - 1) // 2

    def summed(parts: tuple[Array, Array], waves: NDArray[np.float64]) -> str:
        """Multiply the real and imaginary parts of the bins by `parts`, and sum over the bins."""
        filters = np.stack(parts, axis=2).reshape(-1, 2, frames)
        y = graph.add(
            "Conv", spectrum, graph.constant(filters),
            group=_BINS, pads=[before, frames - 1 - before],
        )  # fmt: skip
        return graph.add("MatMul", graph.constant(waves), graph.reshape(y, 0, _BINS, -1))

    even = summed((kernel.real, -kernel.imag), weights * np.cos(angles))
    odd = summed((kernel.imag, kernel.real), weights * np.sin(angles))
    x = graph.add("ReduceMax", graph.add("Add", even, graph.add("Abs", odd)), axes=[1], keepdims=0)
    x = graph.reshape(x, 0, channels, WINDOW_FRAMES)
    x = graph.add("Add", x, graph.constant((block.bias * sign)[:, np.newaxis]))
    return _activated(graph, x, block.norm)


def _temporal_block(graph: _Graph, x: str, block: Block) -> str:
    """Convolve over frames, then take the maximum over the bands: (n, channels, frames).

    onnxruntime computes channels in groups of 16, and these blocks have few. With strides of `step`
    frames, each filter fills `step` channels, shifted by one frame in each.
    """
    frames, _, channels = block.kernel.shape
    step = min(range(1, 33), key=lambda step: _work(frames, channels, step))
    sign = np.sign(block.norm.scale)
    shifted = [
        np.pad(block.kernel * sign, ((i, step - 1 - i), (0, 0), (0, 0))) for i in range(step)
    ]
    kernel = np.stack(shifted).transpose(3, 0, 1, 2).reshape(channels * step, 1, -1, 1)
    before, strides = (frames - 1) // 2, _ceil(WINDOW_FRAMES, step)
    after = strides * step - WINDOW_FRAMES + frames - 1 - before
    x = graph.add(
        "Conv", x, graph.constant(kernel), graph.constant(np.repeat(block.bias * sign, step)),
        pads=[before, 0, after, 0], strides=[step, 1],
    )  # fmt: skip
    x = graph.add("ReduceMax", x, axes=[3], keepdims=0)
    if step > 1:
        x = graph.reshape(x, 0, channels, step, strides)
        x = graph.reshape(graph.add("Transpose", x, perm=[0, 1, 3, 2]), 0, channels, -1)
        x = graph.add("Slice", x, *(graph.constant([i], np.int64) for i in (0, WINDOW_FRAMES, 2)))
    return _activated(graph, x, block.norm)


def _activated(graph: _Graph, x: str, norm: Affine) -> str:
    """Apply ReLU and normalization to the maximum over the bands: (n, channels, frames).

    Both are monotonic, so they can follow the maximum, where only 1/50 of the values is left. If
    the normalization is decreasing, the maximum of its output is at the minimum of its input, which
    is the negated maximum for the negated filter.
    """
    x = graph.add("Mul", x, graph.constant(np.sign(norm.scale)[:, np.newaxis]))
    return graph.affine(graph.add("Relu", x), norm, axes=1)


def _work(frames: int, channels: int, step: int) -> int:
    """Return the number of multiplications per band, including those with padding."""
    return _ceil(channels * step, 16) * 16 * (frames + step - 1) * _ceil(WINDOW_FRAMES, step)


def _ceil(total: int, part: int) -> int:
    return -(-total // part)


def _middle_block(graph: _Graph, x: str, block: MiddleBlock, *, residual: bool) -> str:
    frames, inputs, outputs = block.kernel.shape
    before = (frames - 1) // 2
    kernel = graph.constant(block.kernel.transpose(2, 1, 0))
    y = graph.add("Conv", x, kernel, pads=[before, frames - 1 - before])
    y = graph.add("Add", y, graph.constant(block.bias.T))
    y = graph.affine(graph.add("Relu", y), block.norm, axes=1)
    if residual:
        new = graph.constant([0, 0, 0, 0, outputs - inputs, 0], np.int64)
        y = graph.add("Add", y, graph.add("Pad", x, new))
    return y


class _Graph:
    """Collects nodes and constants; each method returns the name of a value."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._names = (f"v{number}" for number in count())

    def constant(self, value: ArrayLike, dtype: type[np.generic] = np.float32) -> str:
        name = next(self._names)
        array = np.ascontiguousarray(value, dtype)
        self._constants.append(numpy_helper.from_array(array.reshape(np.shape(value)), name))
        return name

    def add(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        name = name or next(self._names)
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def affine(self, x: str, norm: Affine, axes: int = 0, name: str | None = None) -> str:
        """Scale and shift each channel. axes: the number of axes after that of the channels."""
        shape = (-1, *[1] * axes)
        scaled = self.add("Mul", x, self.constant(norm.scale.reshape(shape)))
        return self.add("Add", scaled, self.constant(norm.shift.reshape(shape)), name=name)

    def reshape(self, x: str, *shape: int) -> str:
        return self.add("Reshape", x, self.constant(shape, np.int64))

    def dense(self, x: str, layer: tuple[ArrayLike, ArrayLike]) -> str:
        kernel, bias = layer
        return self.add("Gemm", x, self.constant(kernel), self.constant(bias))

    def model(self) -> onnx.ModelProto:
        def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])

        graph = helper.make_graph(
            self._nodes,
            "musicnn",
            [value("power", WINDOW_FRAMES, FFT_BINS)],
            [value("activations", TAGS), value("embedding", EMBEDDING_SIZE)],
            self._constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
        )
        onnx.checker.check_model(model, full_check=True)
        return model
