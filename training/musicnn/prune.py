"""Removes the dead channels of a musicnn without changing its outputs.

Weight decay left most filters of the published network with all weights near zero. The output of
such a filter does not depend on its input: it is a constant, and adds a bias to later layers. The
following convolutions pad with zeros in time, so they see less of the constant toward the ends of
the window: there the bias differs from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genremodel.audio.params import WINDOW_FRAMES
from training.musicnn.network import Affine, Array, Block, Musicnn, Name

# A filter is dead if its largest weight is below this. MSD-musicnn has a wide gap: the largest such
# weight below is 1e-7, the smallest above 1e-4. In MTT-musicnn all values occur, but filters below
# this threshold change no output by more than 1e-6.
DEAD_CHANNEL_THRESHOLD: dict[Name, float] = {"MSD_musicnn": 1e-5, "MTT_musicnn": 1e-3}


@dataclass(frozen=True)
class MiddleBlock:
    """A block over all channels whose bias may differ from frame to frame.

    kernel: (time, input channels, output channels). bias: (WINDOW_FRAMES, output channels).
    """

    kernel: Array
    bias: Array
    norm: Affine


@dataclass(frozen=True)
class PrunedMusicnn:
    """The pruned network; `dense` includes the normalization of the pooled features.

    The outputs of each later middle block start with the channels of the previous block in the same
    order, so a residual connection is an addition to the first channels.
    dense: kernel (2, channels, embedding), maxima before means, and bias (embedding,).
    """

    input_norm: Affine
    timbral: tuple[Block, ...]
    temporal: tuple[Block, ...]
    middle: tuple[MiddleBlock, ...]
    dense: tuple[Array, Array]
    dense_norm: Affine
    tags: tuple[Array, Array]


@dataclass(frozen=True)
class _Channels:
    """The live channels of a layer in their new order, and the values of the dead ones.

    constant: (channels,), 0 for live channels.
    """

    alive: list[int]
    constant: Array


def prune(net: Musicnn, dead: float = DEAD_CHANNEL_THRESHOLD["MSD_musicnn"]) -> PrunedMusicnn:
    """Return the network without its dead channels; its outputs are equal up to rounding.

    dead: the largest weight of a removed channel; a negative value removes none.
    """
    front = [_channels(block, dead) for block in (*net.timbral, *net.temporal)]
    timbral = tuple(_select(b, c) for b, c in zip(net.timbral, front, strict=False))
    temporal = tuple(
        _select(b, c) for b, c in zip(net.temporal, front[len(timbral) :], strict=True)
    )
    layers = [_concatenate(front)]
    middle: list[MiddleBlock] = []
    for number, block in enumerate(net.middle):
        residual = layers[-1] if number else None
        outputs = _channels(block, dead, residual)
        middle.append(_prune_middle(block, layers[-1], outputs, residual))
        layers.append(outputs)
    return PrunedMusicnn(
        input_norm=net.input_norm,
        timbral=timbral,
        temporal=temporal,
        middle=tuple(middle),
        dense=_fold_dense(net, _concatenate(layers)),
        dense_norm=net.dense_norm,
        tags=net.tags,
    )


def _channels(block: Block, dead: float, residual: _Channels | None = None) -> _Channels:
    """Find the live channels among the outputs of a block, including the added `residual`."""
    largest = np.abs(block.kernel).max(axis=(0, 1))
    constant = block.norm(np.maximum(block.bias, 0))
    alive = residual.alive.copy() if residual else []
    alive += [int(channel) for channel in np.flatnonzero(largest > dead) if channel not in alive]
    if residual:
        constant = constant + residual.constant
    constant[alive] = 0
    return _Channels(alive, constant)


def _concatenate(layers: list[_Channels]) -> _Channels:
    offsets = np.cumsum([0, *(len(layer.constant) for layer in layers)])
    return _Channels(
        [
            int(o) + channel
            for o, layer in zip(offsets, layers, strict=False)
            for channel in layer.alive
        ],
        np.concatenate([layer.constant for layer in layers]),
    )


def _select(block: Block, outputs: _Channels) -> Block:
    keep = outputs.alive
    return Block(block.kernel[:, :, keep], block.bias[keep], _select_norm(block.norm, keep))


def _select_norm(norm: Affine, keep: list[int]) -> Affine:
    return Affine(norm.scale[keep], norm.shift[keep])


def _prune_middle(
    block: Block, inputs: _Channels, outputs: _Channels, residual: _Channels | None
) -> MiddleBlock:
    keep = outputs.alive
    constant = np.tensordot(inputs.constant, block.kernel[:, :, keep], axes=(0, 1))  # (time, out)
    frames = len(constant)
    bias = np.repeat(block.bias[np.newaxis, keep], WINDOW_FRAMES, axis=0)
    for step in range(frames):  # frames where this step of the kernel is not on the padding
        shift = step - (frames - 1) // 2
        bias[max(-shift, 0) : WINDOW_FRAMES - max(shift, 0)] += constant[step]
    norm = _select_norm(block.norm, keep)
    if residual:  # a dead channel is added to a live output
        norm = Affine(norm.scale, norm.shift + residual.constant[keep])
    return MiddleBlock(block.kernel[:, inputs.alive][:, :, keep], bias, norm)


def _fold_dense(net: Musicnn, features: _Channels) -> tuple[Array, Array]:
    kernel, bias = net.dense
    bias = bias + net.pool_norm.shift @ kernel
    kernel = (net.pool_norm.scale[:, np.newaxis] * kernel).reshape(len(features.constant), 2, -1)
    bias = bias + features.constant @ kernel.sum(axis=1)  # maximum and mean of a constant are equal
    return kernel[features.alive].transpose(1, 0, 2), bias
