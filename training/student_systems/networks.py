"""The networks of the five systems, adapted to spectrograms of 128 bands and 39 frames (3 s).

Each is a function of the number of bands (or other features) and of genres, and returns a module
that maps (samples, bands, frames) to logits, (samples, genres). Convolutional networks read
averages of pairs of bands, 64 in all: that halves the cost, and system 5 also used 64 bands. Kernel
counts that a system did not report are those of system 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn


def picture_cnn(bands: int, genres: int) -> nn.Module:
    """System 1: four convolutions with max-pooling, two linear layers, dropout 0.25."""
    layers = [*_image(bands)]
    for before, after in ((1, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(
        *layers,
        *_hidden(128, 0.25, genres),
    )


def playlist_baseline(bands: int, genres: int) -> nn.Module:
    """System 2: four convolutions of ten kernels, linear layers of 1000 and 200."""
    return nn.Sequential(
        *_image(bands), *_normalized((10, 10, 10, 10)), *_dense((1000, 200, genres))
    )


def playlist_cnn(bands: int, genres: int) -> nn.Module:
    """System 2: convolutions of 16, 32, 32 and 32 kernels, linear layers of 4000 and 500."""
    return nn.Sequential(
        *_image(bands), *_normalized((16, 32, 32, 32)), *_dense((4000, 500, genres))
    )


def playlist_crnn(bands: int, genres: int) -> nn.Module:
    """System 2: the same convolutions, a GRU of 500 over time, its outputs averaged.

    The last two poolings keep the time axis: 3 s would be a sequence of two otherwise.
    """
    convolutions = [*_image(bands), *_normalized((16, 32, 32, 32), time_pools=2)]
    return nn.Sequential(
        *convolutions,
        nn.Flatten(1, 2),
        _Recurrent(nn.GRU(32 * (bands // 32), 500, batch_first=True), mean=True),
        nn.Linear(500, genres),
    )


def vgg(bands: int, genres: int) -> nn.Module:
    """System 4: three blocks of two convolutions as in VGG, trained from scratch.

    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
    2015, at a quarter of its width.
    """
    layers = [*_image(bands)]
    for before, after in ((1, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(after, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(
        *layers,
        *_hidden(256, 0.5, genres),
    )


def short_window_cnn(bands: int, genres: int) -> nn.Module:
    """System 5: 2 s, three convolutions of 24, 48, 48 kernels of 5x5, average pooling, dense 64."""
    layers = [_Middle(26), *_image(bands)]
    for before, after in ((1, 24), (24, 48), (48, 48)):
        layers += [nn.Conv2d(before, after, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)]
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Dropout(0.5), nn.LazyLinear(64), nn.ReLU(), nn.Linear(64, genres)
    )


def frame_gru(bands: int, genres: int) -> nn.Module:
    """System 3: a GRU of 256 over the raw frames, its last state."""
    return nn.Sequential(_Recurrent(nn.GRU(bands, 256, batch_first=True)), nn.Linear(256, genres))


def lstm(bands: int, genres: int) -> nn.Module:
    """System 3: an LSTM of 256 over a song's segments, layer norm, linear."""
    return _lstm(bands, genres, bidirectional=False, dropout=0.0)


def bi_lstm(bands: int, genres: int) -> nn.Module:
    """System 3: a bidirectional LSTM."""
    return _lstm(bands, genres, bidirectional=True, dropout=0.0)


def bi_lstm_dropout(bands: int, genres: int) -> nn.Module:
    """System 3: a bidirectional LSTM with dropout of 0.2."""
    return _lstm(bands, genres, bidirectional=True, dropout=0.2)


def _lstm(bands: int, genres: int, *, bidirectional: bool, dropout: float) -> nn.Module:
    recurrent = nn.LSTM(bands, 256, batch_first=True, bidirectional=bidirectional)
    width = 512 if bidirectional else 256
    return nn.Sequential(
        _Recurrent(recurrent), nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, genres)
    )


def _image(bands: int) -> Sequence[nn.Module]:
    """Turn (samples, bands, frames) into an image with one channel and half as many bands."""
    return nn.Unflatten(1, (1, bands)), nn.AvgPool2d((2, 1))


def _normalized(kernels: Sequence[int], time_pools: int = 4) -> Sequence[nn.Module]:
    """Return convolutions with batch norm and max pooling; the first ones pool time too."""
    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(zip((1, *kernels), kernels, strict=False)):
        pool = nn.MaxPool2d(2 if index < time_pools else (2, 1))
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), pool]
    return layers


def _dense(widths: Sequence[int]) -> Sequence[nn.Module]:
    first, *others = widths
    layers: list[nn.Module] = [nn.Flatten(), nn.LazyLinear(first)]
    for before, after in zip(widths, others, strict=False):
        layers += [nn.ReLU(), nn.Linear(before, after)]
    return layers


def _hidden(width: int, dropout: float, genres: int) -> Sequence[nn.Module]:
    """Return a hidden layer with dropout and a linear output layer."""
    linear = nn.Linear(width, genres)
    return nn.Flatten(), nn.LazyLinear(width), nn.ReLU(), nn.Dropout(dropout), linear


class _Middle(nn.Module):
    """Keeps the middle frames."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, rows: Tensor) -> Tensor:
        start = (rows.shape[-1] - self.frames) // 2
        return rows[..., start : start + self.frames]


class _Recurrent(nn.Module):
    """Reads (samples, bands, time); returns the mean output or the last state of each direction."""

    def __init__(self, layer: nn.RNNBase, *, mean: bool = False) -> None:
        super().__init__()
        self.layer = layer
        self.mean = mean

    def forward(self, rows: Tensor) -> Tensor:
        outputs, states = self.layer(rows.transpose(1, 2))
        if self.mean:
            return outputs.mean(dim=1)
        hidden = states[0] if isinstance(states, tuple) else states
        return torch.cat(tuple(hidden), dim=1)


NETWORKS: Mapping[str, Callable[[int, int], nn.Module]] = {
    builder.__name__: builder
    for builder in (
        picture_cnn, playlist_baseline, playlist_cnn, playlist_crnn, vgg, short_window_cnn,
        frame_gru, lstm, bi_lstm, bi_lstm_dropout,
    )
}  # fmt: skip
