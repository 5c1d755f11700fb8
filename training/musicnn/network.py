"""The published musicnn networks: weights by role, and a NumPy forward pass as the reference.

Architecture: Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio
tagging", ISMIR 2019 late-breaking demo, and the `musicnn` 0.1.0 distribution (ISC license).
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from training.datasets.source import Source
from training.musicnn.checkpoint import Tensors, read_checkpoint
from training.pinned_wheels import Wheel

WHEEL = Wheel(
    "musicnn", "0.1.0", "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
)
LICENSE = "ISC"
Name: TypeAlias = Literal["MSD_musicnn", "MTT_musicnn"]
TRAINED_ON: dict[Name, Source] = {
    "MSD_musicnn": Source(
        "Million Song Dataset",
        "the first backbone, trained by its authors",
        "the recordings are copyrighted, and not part of it",
    ),
    "MTT_musicnn": Source(
        "MagnaTagATune", "the second backbone, trained by its authors", "CC BY-NC-SA 3.0"
    ),
}
_EPSILON = 1e-3  # as in tf.layers.batch_normalization

# Tags of the Million Song Dataset (Last.fm) in the order of MSD_musicnn's outputs.
# fmt: off
TAGS = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
    "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists",
    "classic rock", "soul", "indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill",
    "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic",
    "experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country",
    "easy listening", "sexy", "catchy", "funk", "electro", "heavy metal", "Progressive rock",
    "60s", "rnb", "indie pop", "sad", "House", "happy",
)
# fmt: on

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Affine:
    """Batch normalization at inference: `scale * x + shift` for each channel."""

    scale: Array
    shift: Array

    def __call__(self, x: Array) -> Array:
        """Apply the transform to the channels along the last axis."""
        return self.scale * x + self.shift


@dataclass(frozen=True)
class Block:
    """Convolution, ReLU, batch normalization.

    kernel: (time, frequency or input channels, output channels).
    """

    kernel: Array
    bias: Array
    norm: Affine


@dataclass(frozen=True)
class Musicnn:
    """The weights of one of the networks.

    timbral: two blocks over 7 frames and most of the mel bands.
    temporal: three blocks over 128, 64 and 32 frames of single mel bands.
    middle: three blocks over all channels and 7 frames, the last two residual.
    """

    input_norm: Affine
    timbral: tuple[Block, ...]
    temporal: tuple[Block, ...]
    middle: tuple[Block, ...]
    pool_norm: Affine
    dense: tuple[Array, Array]
    dense_norm: Affine
    tags: tuple[Array, Array]


def load_musicnn(name: Name = "MSD_musicnn") -> Musicnn:
    """Fetch the pinned wheel and read a checkpoint from it."""
    return from_tensors(_read_wheel(WHEEL.fetch(), f"musicnn/{name}"))


def license_text() -> str:
    """Return the license in the wheel."""
    with zipfile.ZipFile(WHEEL.fetch()) as wheel:
        return wheel.read("musicnn-0.1.0.dist-info/LICENSE.md").decode()


def _read_wheel(path: Path, folder: str) -> Tensors:
    with zipfile.ZipFile(path) as wheel:
        return read_checkpoint(
            wheel.read(f"{folder}/.index"), wheel.read(f"{folder}/.data-00000-of-00001")
        )


def from_tensors(tensors: Tensors) -> Musicnn:
    """Assign the tensors to their roles: TensorFlow numbers layers in order of creation."""

    def norm(number: int) -> Affine:
        name = "batch_normalization" + (f"_{number}" if number else "")
        variance = tensors[f"{name}/moving_variance"]
        scale = tensors[f"{name}/gamma"] / np.sqrt(variance + np.float32(_EPSILON))
        return Affine(scale, tensors[f"{name}/beta"] - tensors[f"{name}/moving_mean"] * scale)

    def block(number: int) -> Block:
        name = "conv2d" + (f"_{number}" if number else "")
        kernel = tensors[f"{name}/kernel"][:, :, 0, :]  # one input channel throughout
        return Block(kernel, tensors[f"{name}/bias"], norm(number + 1))

    def dense(name: str) -> tuple[Array, Array]:
        return tensors[f"{name}/kernel"], tensors[f"{name}/bias"]

    return Musicnn(
        input_norm=norm(0),
        timbral=(block(0), block(1)),
        temporal=(block(2), block(3), block(4)),
        middle=(block(5), block(6), block(7)),
        pool_norm=norm(9),
        dense=dense("dense"),
        dense_norm=norm(10),
        tags=dense("dense_1"),
    )


def forward(net: Musicnn, log_mel: Array) -> tuple[Array, Array]:
    """Run the published network on one window: the reference for the ONNX file.

    log_mel: (frames, mel bands). Returns activations (50,) and embedding (200,).
    """
    x = net.input_norm(log_mel)
    front = np.concatenate(
        [_convolve(x, block, same_bands=False).max(axis=1) for block in net.timbral]
        + [_convolve(x, block, same_bands=True).max(axis=1) for block in net.temporal],
        axis=1,
    )
    first = _convolve(front, net.middle[0], same_bands=False)[:, 0]
    second = _convolve(first, net.middle[1], same_bands=False)[:, 0] + first
    third = _convolve(second, net.middle[2], same_bands=False)[:, 0] + second
    features = np.concatenate([front, first, second, third], axis=1)
    # The maximum and mean of each channel are adjacent, as in the flattened original.
    pooled = np.stack([features.max(axis=0), features.mean(axis=0)], axis=1).ravel()
    pooled = net.pool_norm(pooled)
    embedding = net.dense_norm(np.maximum(pooled @ net.dense[0] + net.dense[1], 0))
    logits = embedding @ net.tags[0] + net.tags[1]
    return 1 / (1 + np.exp(-logits)), embedding


def _convolve(x: Array, block: Block, *, same_bands: bool) -> Array:
    """Return (frames, bands, channels); the time axis is padded with zeros to keep its length."""
    frames, bands, _ = block.kernel.shape
    before = (frames - 1) // 2
    padded = np.pad(x, ((before, frames - 1 - before), (0, 0)))
    assert bands == 1 or not same_bands
    patches = sliding_window_view(padded, (frames, bands))
    convolved = np.tensordot(patches, block.kernel, axes=([2, 3], [0, 1])) + block.bias
    return block.norm(np.maximum(convolved, 0))
