"""The files of the bundled model in `assets/`, verified by checksum, and their loaders."""

from __future__ import annotations

import hashlib
import io
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.calibration import Calibration
from genremodel.errors import ModelError
from genremodel.models.heads import GenreHeads
from genremodel.prediction import DecisionParams
from genremodel.untrusted_files import JsonFields

FOLDER = Path(__file__).parent.parent / "assets"
DESCRIPTION = "model.json"
MSD_FILE = "musicnn.onnx"
MTT_FILE = "mtt_musicnn.onnx"
HEADS_FILE = "heads.npz"
KNN_FILE = "knn.npz"

ALBUM_MIN_CONFIDENCE = 0.6  # of the CNN; the model card has its coverage and accuracy


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """Return the content of `model.json`: genres, tags, checksums, calibration, measured figures.

    Raises
    ------
    ModelError
        If the file cannot be read, or lacks a value that predictions need.

    Examples
    --------
    >>> description()["genres"][:3]
    ['blues', 'classical', 'country']
    """
    try:
        model = JsonFields.parse((FOLDER / DESCRIPTION).read_bytes())
        _check(model)
    except (OSError, ValueError) as exc:
        raise ModelError(f"{DESCRIPTION}: {exc}") from exc
    return model.content


def _check(model: JsonFields) -> None:
    """Raise ValueError if a value that predictions need is missing or invalid."""
    model.shares("prior", len(model.texts("genres")))
    for name in (MSD_FILE, MTT_FILE, HEADS_FILE, KNN_FILE):
        model.fields("sha256").text(name)
    for backend in ("cnn", "knn"):
        fitted = model.fields(backend)
        fitted.text("id")
        fitted.number("min_confidence", 0, 1)
        calibration = fitted.fields("calibration")
        for field in fields(Calibration):
            calibration.number(field.name)
    tags, styles = model.texts("tags"), model.fields("styles")
    for name in styles.content:
        style = styles.fields(name)
        style.number("threshold", 0)
        if style.text("tag") not in tags:
            raise ValueError(f"styles.{name}.tag is not in tags")


def read(name: str) -> bytes:
    """Return the content of an asset.

    Raises
    ------
    ModelError
        If the file cannot be read or its checksum is wrong.
    """
    try:
        content = (FOLDER / name).read_bytes()
    except OSError as exc:
        raise ModelError(f"{name}: {exc.strerror}") from exc
    if hashlib.sha256(content).hexdigest() != checksum(name):
        raise ModelError(f"{name}: wrong checksum")
    return content


def checksum(name: str) -> str:
    """Return the SHA-256 of an asset according to `model.json`."""
    return str(description()["sha256"].get(name))


def arrays(name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz asset. Pickled objects are refused."""
    with np.load(io.BytesIO(read(name)), allow_pickle=False) as stored:
        return dict(stored)


def bundled_heads() -> GenreHeads:
    """Return the genre heads of the CNN.

    Raises
    ------
    ModelError
        If the file cannot be read or its checksum is wrong.
    """
    return GenreHeads.from_arrays(arrays(HEADS_FILE))


@lru_cache(maxsize=1)
def bundled_nonmusic() -> NDArray[np.float64]:
    """Return the weights of the CNN's non-music detector, see `is_nonmusic`.

    Raises
    ------
    ModelError
        If the file cannot be read or its checksum is wrong.

    Examples
    --------
    >>> bundled_nonmusic().shape
    (401,)
    """
    return bundled_heads().nonmusic


def bundled_params(backend: str) -> DecisionParams:
    """Return the decision parameters of `"cnn"` or `"knn"`.

    Raises
    ------
    ModelError
        If `model.json` cannot be read.

    Examples
    --------
    >>> bundled_params("cnn").min_confidence
    0.7
    """
    model = description()
    fitted = model[backend]
    return DecisionParams(
        genres=tuple(model["genres"]),
        prior=tuple(model["prior"]),
        calibration=Calibration(**fitted["calibration"]),
        min_confidence=fitted["min_confidence"],
        model=fitted["id"],
        min_album_confidence=ALBUM_MIN_CONFIDENCE if backend == "cnn" else None,
    )
