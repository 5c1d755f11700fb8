"""What the comparison says of the bundled model: figures of `model.json`, sizes of its assets."""

from __future__ import annotations

import re
import textwrap
from math import prod
from typing import Any

from genremodel.models import bundled as assets
from genremodel.models.bundled import HEADS_FILE, MSD_FILE, MTT_FILE
from training.reports import readme as documents

_MP3 = re.compile(r"^\| mp3 \| (\S+) ", re.M)


def paragraph(model: dict[str, Any]) -> str:
    """Return what it does on the songs that the students are scored with."""
    valid, songs = model["cnn"]["valid"], model["cnn"]["songs"]
    return textwrap.fill(
        f"The bundled model is right on {valid['accuracy']:.3f} of those {valid['tracks']} files, "
        "by a fit without them. It hears excerpts of 2 to 20 s, where the students hear 30 s of "
        "the same songs; but its backbones have heard far more music. Cross-validated on "
        f"{songs['tracks']} training songs, by which its first head was chosen too, it is right on "
        f"{songs['accuracy']:.3f} (mean of {songs['seeds']} seeds). These are different songs: "
        "figures can be compared within a column alone.",
        100,
    )


def row(model: dict[str, Any]) -> str:
    """Return its line of the table, in the order of `document.columns`."""
    valid, songs = model["cnn"]["valid"], model["cnn"]["songs"]
    heads = sum(array.size for array in assets.arrays(HEADS_FILE).values())
    measured = _MP3.search(documents.MEASURED.read_text(encoding="utf-8"))
    cells = [
        *("-", f"**bundled model** `{model['cnn']['id']}`", "-", "-", "-", "-"),
        f"**{valid['accuracy']:.3f}**",
        "-",
        f"**{songs['accuracy']:.3f}**",
        *(f"{heads + network_size(MSD_FILE) + network_size(MTT_FILE):,}", "-"),
        measured[1] if measured else "-",
    ]
    return f"| {' | '.join(cells)} |"


def network_size(name: str) -> int:
    """Return how many numbers a bundled network keeps: the initialisers of its ONNX file."""
    from onnx import load_model_from_string

    graph = load_model_from_string(assets.read(name)).graph
    return sum(prod(initialiser.dims) for initialiser in graph.initializer)
