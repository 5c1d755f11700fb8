"""The files of the bundled model, each checked against its checksum before it is used."""

from __future__ import annotations

import hashlib
import io
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.errors import ModelError

FOLDER = Path(__file__).parent.parent / "assets"
DESCRIPTION = "model.json"


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """Return `model.json`: genres, tags, versions, checksums, calibration and measured figures."""
    try:
        content: dict[str, Any] = json.loads((FOLDER / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ModelError(f"{DESCRIPTION}: {exc}") from exc
    return content


def read(name: str) -> bytes:
    """Return the bytes of an asset. Raises ModelError when they are not those of `model.json`."""
    try:
        content = (FOLDER / name).read_bytes()
    except OSError as exc:
        raise ModelError(f"{name}: {exc.strerror}") from exc
    if hashlib.sha256(content).hexdigest() != checksum(name):
        raise ModelError(f"{name}: wrong checksum")
    return content


def checksum(name: str) -> str:
    """Return the SHA-256 that `model.json` has for an asset."""
    return str(description()["sha256"].get(name))


def arrays(name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz asset; pickled objects are refused."""
    with np.load(io.BytesIO(read(name)), allow_pickle=False) as stored:
        return dict(stored)
