"""Files that carry a custom model to another library.

Such a file is a ZIP archive without compression. `model.json` describes the model, and each array
is a `.npy` file, never pickled, so any ZIP program and `numpy.load` can show all of it. It has no
name: the model is named like the file. The same model always gives the same bytes.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.custom.custom_model import EXPORT_SUFFIX, CustomModel
from genremodel.custom.model_content import (
    arrays_of,
    build_model,
    describe_model,
    description_of,
    model_id,
)
from genremodel.display import displayable, one_line
from genremodel.errors import ModelError
from genremodel.output_files import OutputError, OutputFile
from genremodel.untrusted_files import JsonFields, NpzArrays, read_file

_VERSION = 1  # of the file format, in the field `genremodel` of the description
_DESCRIPTION = "model.json"
_FIELDS = ("field", "features_version", "estimator", "rejects_nonmusic", "params")
_ARRAYS = ("bias", "centroids", "weight", "whitening")
_LARGEST = 1 << 25  # bytes: enough for 20,000 labels
_LONGEST_LABEL = 200  # characters


def write_model_file(model: CustomModel, path: Path) -> None:
    """Write a model to a file. Raises ModelError; the file is then not changed."""
    if model.estimator != "linear":
        raise ModelError(
            f"{model.name}: is made of nearest neighbors, which contain every track; only linear "
            "models can be exported"
        )
    try:
        packed = _pack(model)
        _unpack(packed, model.name)  # it must be possible to install it
    except Exception as exc:
        raise ModelError(f"{model.name}: cannot be exported: {_problem(exc)}") from exc
    output = OutputFile(path, "a model file", _is_own, suffix=EXPORT_SUFFIX)
    try:
        output.check()
        output.write(packed)
    except OutputError as exc:
        raise ModelError(one_line(str(exc))) from exc


def read_model_file(path: Path, name: str) -> CustomModel:
    """Return the model of a file, after checking every value. name: for the model."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _unpack(read_file(path, _LARGEST), name)
    except OSError as exc:
        raise ModelError(f"{displayable(path)}: {exc.strerror}") from exc
    except Exception as exc:  # NumPy and zipfile raise many kinds
        raise ModelError(f"{displayable(path)}: {_problem(exc)}") from exc


def _pack(model: CustomModel) -> bytes:
    content = {
        "genremodel": _VERSION,
        **description_of(model),
        "metrics": _figures(JsonFields(dict(model.metrics), "metrics"), model.params.genres),
        "trained": datetime.fromtimestamp(model.trained, timezone.utc).date().isoformat(),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(content, indent=1, ensure_ascii=False)
        archive.writestr(_part(_DESCRIPTION), text.encode())
        for name, array in sorted(arrays_of(model).items()):
            archive.writestr(_part(f"{name}.npy"), _npy(array))
    return packed.getvalue()


def _unpack(packed: bytes, name: str) -> CustomModel:
    """Return the model of the content of a file. Raises any error."""
    content = JsonFields.parse(_description(packed))
    version = content.number("genremodel", 1)
    if version > _VERSION:
        raise ValueError("written by a newer version of genreclf; update it to use this model")
    if content.text("estimator") != "linear":
        raise ValueError("not a linear model")
    labels = content.fields("params").texts("genres")
    if max(map(len, labels)) > _LONGEST_LABEL:
        raise ValueError(f"params.genres has a name of more than {_LONGEST_LABEL} characters")
    stored = JsonFields(
        {
            **{field: content.content.get(field) for field in _FIELDS},
            "metrics": {**_figures(content.fields("metrics"), labels), "default": False},
            "trained": _timestamp(content.text("trained")),
            "id": name,
            "installed": True,
        }
    )
    described = describe_model(name, stored)
    model = build_model(described, stored, NpzArrays(packed, _ARRAYS, _LARGEST))
    return replace(model, params=replace(model.params, model=model_id(model)))


def _description(packed: bytes) -> bytes:
    """Return the description in a file. Raises ValueError."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                raise ValueError("has compressed parts")
            if len({*archive.namelist()}) < len(archive.namelist()):  # programs read either
                raise ValueError("has several parts of the same name")
            return archive.read(_DESCRIPTION)
    except (zipfile.BadZipFile, KeyError) as exc:
        raise ValueError("not a model file, or damaged") from exc


def _figures(metrics: JsonFields, labels: Collection[str]) -> dict[str, Any]:
    """Return the figures of a model that are exported, after checking them."""
    figures: dict[str, Any] = {name: metrics.count(name) for name in ("tracks", "artists")}
    figures |= {name: metrics.number(name, 0, 1) for name in ("accuracy", "calibration_error")}
    if "majority" in metrics.content:  # not of models that were trained before it was stored
        figures["majority"] = metrics.number("majority", 0, 1)
    if "compared" in metrics.content:
        figures |= {name: metrics.count(name) for name in ("compared", "own", "bundled")}
        if max(figures["own"], figures["bundled"]) > figures["compared"]:
            raise ValueError("metrics.compared is less than metrics.own or metrics.bundled")
        missed = metrics.content.get("missed")
        if not (isinstance(missed, list) and all(label in labels for label in missed)):
            raise ValueError("metrics.missed is not a list of genres of the model")
        figures["missed"] = [label for label in labels if label in missed]
    return figures


def _timestamp(day: str) -> float:
    """Return the noon of a day, which is on that day in most time zones. Raises ValueError."""
    try:
        noon = datetime.strptime(f"{day} 12 +0000", "%Y-%m-%d %H %z")
    except ValueError:
        raise ValueError("trained is not a day such as 2026-01-31") from None
    return noon.timestamp()


def _part(name: str) -> zipfile.ZipInfo:
    """Return the header of a part, the same on every system: without time and owner."""
    part = zipfile.ZipInfo(name)
    part.create_system = 3  # Unix
    part.external_attr = 0o644 << 16
    return part


def _npy(array: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    np.lib.format.write_array(content, little_endian, version=(1, 0), allow_pickle=False)
    return content.getvalue()


def _is_own(beginning: bytes) -> bool:
    return beginning.startswith(b"PK") and b'"genremodel":' in beginning


def _problem(error: Exception) -> str:
    return one_line(str(error) or type(error).__name__)
