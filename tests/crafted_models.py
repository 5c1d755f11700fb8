"""Values, arrays and archives that no custom model should have."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genremodel.analysis import OUTPUT_SIZE
from genremodel.custom.custom_model import CustomModel
from genremodel.voting import vote_track
from tests.labeled_tracks import window_values

DROPPED = object()
NONSENSE: list[Any] = [
    DROPPED, None, True, False, 0, -1, 2, 0.5, 1e300, 10**400, np.nan, np.inf, -np.inf, "", " ",
    "x", "a\nb", "\x00", "\ud800", [], [[]], {}, {"a": {}}, [None], [""], ["a", "a"],
    [np.nan] * 3, ["a\x1b", "b", "c"], [1, 2, 3], [-1.0, 0.5, 0.5], [{}, {}, {}], "x" * 10_000,
    list(range(1000)),
]  # fmt: skip


def paths(content: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every field of a description."""
    for name, value in content.items():
        yield (*prefix, name)
        if isinstance(value, dict):
            yield from paths(value, (*prefix, name))


def with_value(content: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a description with another value of a field, or without it."""
    changed = deepcopy({**content})
    *parents, name = path
    part = changed
    for parent in parents:
        part = part[parent]
    if value is DROPPED:
        del part[name]
    else:
        part[name] = value
    return changed


def damaged_arrays(array: NDArray[Any]) -> list[Any]:
    """Return arrays that must not replace an array of a model, or are harmless."""
    damaged: list[Any] = [
        np.float64(0), np.zeros(0), np.zeros((0, 100)), np.zeros((3, 3)), np.zeros((1, 1, 1)),
        np.array("text"), np.array(["a", "b"]), np.array([1 + 2j]), np.array([b"x"]),
        np.zeros(3, [("a", "f8")]), np.array(True), np.array([2**63 - 1]), np.zeros(10**6, np.int8),
        np.array("2020-01-01", "M8[D]"),
    ]  # fmt: skip
    damaged += [array.astype(np.float16), array.astype(str), array[..., np.newaxis], array * 0]
    damaged += [array.astype(complex), np.concatenate([np.ravel(array)] * 2)]
    if array.ndim:
        damaged += [array[1:], array[:0], array.T]
    if array.dtype.kind == "f":
        for wrong in (np.nan, np.inf, -np.inf, 1e12):
            spoiled = array.copy()
            spoiled.flat[-1] = wrong
            damaged.append(spoiled)
    else:
        damaged += [array - 100, array + 100, -array, array.astype(np.float64)]
    return damaged


def archive(parts: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression, compresslevel=1) as packed:
        for name, part in parts.items():
            packed.writestr(name, part)
    return content.getvalue()


def npy(header: str, content: bytes = b"") -> bytes:
    """Return a `.npy` file with a header as it stands."""
    text = header.encode().ljust(118 - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def assert_works(model: CustomModel) -> None:
    """Fail if a loaded model gives anything but predictions."""
    for rows in (window_values(), np.full((1, OUTPUT_SIZE), 0.999)):
        starts, audible = np.arange(float(len(rows))), np.ones(len(rows), np.bool_)
        prediction = vote_track(*model.predict_proba(rows), starts, audible, model.params)
        assert prediction.confidence is not None
        assert sum(prediction.probabilities.values()) == pytest.approx(1)
