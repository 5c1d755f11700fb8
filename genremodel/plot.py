"""Plot the windows of a track and their genres below its spectrogram.

Needs matplotlib: `pip install beets-genreclf[plot]`.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genremodel.audio.decoding import PathLike
from genremodel.audio.params import LOG_GAIN, SAMPLE_RATE, WINDOW_SECONDS
from genremodel.audio.spectrogram import power_spectrogram
from genremodel.audio.windows import Windows, read_windows
from genremodel.output_files import OutputFile
from genremodel.prediction import Prediction

_MAX_WINDOWS = 200  # of the spectrogram: a picture has no room for more
_PNG = b"\x89PNG\r\n\x1a\n"
_SOFTWARE = "beets-genreclf"
_COLORS = colormaps["tab20"].colors  # type: ignore[attr-defined]


def picture(file: Path) -> OutputFile:
    """Return an output file that only replaces pictures drawn by this program.

    Raises
    ------
    OutputError
        By its methods `check` and `write`.
    """
    return OutputFile(file, "a picture drawn by this plugin", _is_own, suffix=".png")


def _is_own(beginning: bytes) -> bool:
    return beginning.startswith(_PNG) and b"tEXtSoftware\0" + _SOFTWARE.encode() in beginning


def plot_timeline(
    path: PathLike, prediction: Prediction, output: OutputFile, *, title: str
) -> None:
    """Plot the spectrogram of a track and, below it, genre and probability of each window.

    Parameters
    ----------
    path
        The track.
    prediction : Prediction
        For that track.
    output : OutputFile
        From `picture`.
    title : str
        Displayed above the plot.

    Raises
    ------
    AudioError
        If the track cannot be decoded.
    ValueError
        If it is too short.
    OutputError
        If the picture cannot be written.
    """
    windows = read_windows(path, _MAX_WINDOWS)
    if not len(windows.starts):
        raise ValueError("too short for a picture")
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    _draw_spectrogram(above, windows)
    _draw_genres(below, prediction)
    for window in prediction.windows:
        above.axvspan(
            window.start,
            window.start + WINDOW_SECONDS,
            fill=False,
            edgecolor="white",
            linewidth=0.8,
        )
    summary = prediction.genre or f"no genre: {prediction.reason}"
    if prediction.confidence is not None:
        summary += f", confidence {prediction.confidence:.2f}"
    figure.suptitle(f"{title}\n{summary}", parse_math=False)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=120, metadata={"Software": _SOFTWARE})
    output.write(drawn.getvalue())


def _draw_spectrogram(axes: Axes, windows: Windows) -> None:
    power = power_spectrogram(windows.samples)
    for start, window in zip(windows.starts, power, strict=True):
        axes.imshow(
            np.log10(1 + LOG_GAIN * window.T),
            extent=(start, start + WINDOW_SECONDS, 0, SAMPLE_RATE / 2000),
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=0,
            vmax=6,
        )
    axes.set_ylabel("kHz")
    axes.set_xlim(0, windows.starts[-1] + WINDOW_SECONDS)


def _draw_genres(axes: Axes, prediction: Prediction) -> None:
    order = [*prediction.probabilities]
    colors = {genre: _COLORS[order.index(genre) % len(_COLORS)] for genre in prediction.votes}
    for window in prediction.windows:
        if window.genre is not None:
            end = window.start + WINDOW_SECONDS
            axes.hlines(
                window.probability or 0.0, window.start, end, colors[window.genre], linewidth=5
            )
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("probability")
    axes.set_xlabel("seconds")
    if colors:
        lines = [Line2D([], [], color=colors[name], linewidth=5, label=name) for name in colors]
        axes.legend(handles=lines, loc="upper left", bbox_to_anchor=(1, 1))
