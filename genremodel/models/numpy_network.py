"""Evaluate the bundled networks in NumPy, where ONNX Runtime cannot be used."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, TAGS
from genremodel.audio.params import FFT_BINS, WINDOW_FRAMES
from genremodel.errors import ModelError
from genremodel.models._special import expit
from genremodel.models.onnx_file import Node, read_graph

_OUTPUTS = ("activations", "embedding")
_LONGEST_PADDING = 1000  # more than the windows have frames

Array: TypeAlias = NDArray[Any]


class NumpyNetwork:
    """A network that ONNX Runtime would evaluate, up to rounding errors.

    Parameters
    ----------
    content : bytes
        The content of the ONNX file.

    Raises
    ------
    ModelError
        If the file is damaged, or has operators that the bundled networks do not have.

    Examples
    --------
    >>> from genremodel.models.bundled import MSD_FILE, read
    >>> network = NumpyNetwork(read(MSD_FILE))
    >>> activations, embeddings = network(np.zeros((1, 187, 257), np.float32))
    >>> activations.shape, embeddings.shape
    ((1, 50), (1, 200))
    """

    def __init__(self, content: bytes) -> None:
        nodes, self._constants = read_graph(content)
        if unknown := {node.operator for node in nodes} - OPERATORS.keys():
            raise ModelError(f"unsupported operators: {', '.join(map(repr, sorted(unknown)))}")
        self._steps = _with_last_uses(nodes)
        outputs = self(np.zeros((2, WINDOW_FRAMES, FFT_BINS), np.float32))
        if [output.shape for output in outputs] != [(2, TAGS), (2, EMBEDDING_SIZE)]:
            raise ModelError("the outputs of the network have other shapes")

    def __call__(self, power: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return activations and embeddings for power spectrograms."""
        values: dict[str, Array] = {**self._constants, "power": power}
        try:
            with np.errstate(all="ignore"):
                for node, last_used in self._steps:
                    inputs = [values[name] for name in node.inputs]
                    (output,) = node.outputs
                    values[output] = OPERATORS[node.operator](*inputs, **node.attributes)
                    for name in last_used:
                        del values[name]
            return [values[name] for name in _OUTPUTS]
        except Exception as exc:  # of NumPy, for wrong types, shapes, names or attributes
            raise ModelError(
                f"the network cannot be evaluated: {type(exc).__name__}: {exc}"
            ) from exc


def _with_last_uses(nodes: Sequence[Node]) -> list[tuple[Node, set[str]]]:
    """Return nodes with the values that no later node reads, whose memory can be freed."""
    steps: list[tuple[Node, set[str]]] = []
    read_later = {*_OUTPUTS}
    for node in reversed(nodes):
        steps.append((node, {*node.inputs} - read_later))
        read_later.update(node.inputs)
    return steps[::-1]


def _reshape(x: Array, shape: Array) -> Array:
    return x.reshape([size or x.shape[axis] for axis, size in enumerate(shape.tolist())])


def _slice(x: Array, starts: Array, ends: Array, axes: Array) -> Array:
    kept = [slice(None)] * x.ndim
    for start, end, axis in zip(starts, ends, axes, strict=True):
        kept[axis] = slice(start, end)
    return x[tuple(kept)]


def _pad(x: Array, pads: Sequence[int] | Array) -> Array:
    """Append zeros. pads: at the beginning of each axis, then at the end of each."""
    before_and_after = np.reshape(pads, (2, x.ndim)).T
    if not ((before_and_after >= 0) & (before_and_after <= _LONGEST_PADDING)).all():
        raise ValueError(f"padding of {list(pads)}")
    return np.pad(x, before_and_after)


def _conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    pads: list[int],
    strides: list[int] | None = None,
    group: int = 1,
) -> Array:
    """Convolve (n, channels, ...) with (outputs, channels / group, ...), by matrix products."""
    axes = weight.ndim - 2
    padded = _pad(x, [0, 0, *pads[:axes], 0, 0, *pads[axes:]])
    windows = sliding_window_view(padded, weight.shape[2:], axis=tuple(range(2, x.ndim)))
    steps = (slice(None, None, step) for step in strides or ())
    windows = windows[(slice(None), slice(None), *steps)]  # (n, channels, positions, kernel)
    positions = windows.shape[2 : 2 + axes]
    rows = np.moveaxis(windows, range(2, 2 + axes), range(-axes, 0))  # positions last
    rows = rows.reshape(len(x), group, -1, np.prod(positions))
    y = weight.reshape(group, -1, rows.shape[2]) @ rows
    y = y.reshape(len(x), len(weight), *positions)
    return y if bias is None else y + bias.reshape(-1, *[1] * axes)


# Attributes are keyword arguments, so that Python rejects those that a function does not have.
OPERATORS: Mapping[str, Callable[..., Array]] = {
    "Abs": operator.abs,
    "Add": operator.add,
    "Concat": lambda *parts, axis: np.concatenate(parts, axis),
    "Conv": _conv,
    "Gemm": lambda a, b, c: a @ b + c,
    "Log": lambda x: np.log(x),
    "MatMul": operator.matmul,
    "Mul": operator.mul,
    "Pad": _pad,
    "ReduceMax": lambda x, *, axes, keepdims: x.max(axis=tuple(axes), keepdims=bool(keepdims)),
    "ReduceMean": lambda x, *, axes, keepdims: x.mean(axis=tuple(axes), keepdims=bool(keepdims)),
    "Relu": lambda x: np.maximum(x, 0),
    "Reshape": _reshape,
    "Sigmoid": lambda x: expit(x).astype(np.float32),
    "Slice": _slice,
    "Transpose": lambda x, *, perm: x.transpose(perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes.tolist())),
}
