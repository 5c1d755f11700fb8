"""Every stored field and array of a custom model is checked when the model is loaded."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genremodel.custom.custom_model import Estimator
from genremodel.custom.store import ModelStore
from genremodel.errors import ModelError
from tests.crafted_models import (
    DROPPED,
    NONSENSE,
    archive,
    assert_works,
    damaged_arrays,
    npy,
    paths,
    with_value,
)
from tests.faults import mutated
from tests.labeled_tracks import custom_model
from tests.variants import variants


def pack(arrays: Mapping[str, Any]) -> bytes:
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()


class Stored:
    """A stored model whose files are replaced by tests, with valid checksums."""

    def __init__(self, folder: Path, estimator: Estimator) -> None:
        self.models = ModelStore(folder)
        self.models.save(custom_model(estimator))
        self.json, self.npz = folder / "mine.json", folder / "mine.npz"
        self.content = json.loads(self.json.read_text())
        with np.load(self.npz) as arrays:
            self.arrays = dict(arrays)

    def write(self, content: object, packed: bytes | None = None) -> None:
        """Write a description and its arrays."""
        packed = pack(self.arrays) if packed is None else packed
        if isinstance(content, dict) and isinstance(content.get("sha256"), str):
            content = {**content, "sha256": hashlib.sha256(packed).hexdigest()}
        self.npz.write_bytes(packed)
        self.json.write_text(json.dumps(content))

    def is_refused(self) -> bool:
        """Return True if the model cannot be loaded. Fail if it can and does not work."""
        error: ModelError | None = None
        try:
            loaded = self.models.load("mine")
        except ModelError as exc:
            error = exc
        if error:
            assert "\n" not in str(error)
            assert error.retrain == "mine"
            return True
        described = self.models.describe("mine")
        time.localtime(described.trained)
        assert f"{described.metrics['tracks']} {described.metrics['accuracy']:.0%}"
        assert_works(loaded)
        return False


@pytest.fixture(scope="module", params=["linear", "neighbors"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Return a model of each estimator."""
    return Stored(tmp_path_factory.mktemp("models"), request.param)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return Stored(tmp_path_factory.mktemp("models"), "linear")


HARMLESS = {  # for people
    ("metrics", "artists"),
    ("metrics", "majority"),
    ("metrics", "calibration_error"),
}


def test_every_field_of_a_description_is_checked(stored: Stored) -> None:
    """With any replacement, the model is refused or works."""
    for path in paths(stored.content):
        refused = 0
        for value in NONSENSE:
            stored.write(with_value(stored.content, path, value))
            refused += stored.is_refused()
        assert refused > len(NONSENSE) / 2 or path in HARMLESS, (path, refused)


BAD_FIELDS = {
    "threshold above 1": (
        "params.min_confidence",
        1.5,
        "min_confidence is not a number from 0",
    ),
    "threshold NaN": ("params.min_confidence", np.nan, "min_confidence is not a number from 0"),
    "calibration NaN": (
        "params.calibration.novelty",
        np.nan,
        "calibration.novelty is not a number",
    ),
    "prior too short": ("params.prior", [0.5, 0.5], "params.prior has 2 values, not 3"),
    "prior infinite": ("params.prior", [np.inf, 0, 0], "params.prior is not a number from 0"),
    "genres twice": (
        "params.genres",
        ["a", "b", "a"],
        "params.genres is empty or has duplicates",
    ),
    "genre of controls": (
        "params.genres",
        ["a", "b", "c\x07"],
        "params.genres is not a string, is blank or",
    ),
    "genre of no text": (
        "params.genres",
        ["a", "b", 3],
        "params.genres is not a string, is blank or",
    ),
    "four genres": ("params.genres", ["a", "b", "c", "d"], "params.prior has 3 values, not 4"),
    "estimator": ("estimator", "forest", "estimator is 'forest'"),
}


@pytest.mark.parametrize(("path", "value", "message"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_message_names_the_field(stored: Stored, path: str, value: Any, message: str) -> None:
    stored.write(with_value(stored.content, tuple(path.split(".")), value))
    with pytest.raises(ModelError, match=re.escape(message)):
        stored.models.load("mine")


def test_comparison_with_the_bundled_model_is_checked(stored: Stored) -> None:
    compared = {"compared": 12, "own": 9, "bundled": 8, "missed": [], "default": True}
    for name in ("compared", "own", "bundled", "default"):
        for value in [*NONSENSE, DROPPED]:
            content = deepcopy(stored.content)
            content["metrics"] |= compared | {name: value}
            if value is DROPPED:
                del content["metrics"][name]
            stored.write(content)
            is_count = type(value) in (int, float) and 0 <= value <= 1e9 and name != "default"
            is_flag = isinstance(value, bool) and name == "default"
            if name == "compared" and value is DROPPED:  # without the plugin
                continue
            assert stored.is_refused() == (not (is_count or is_flag)), (name, value)


def test_fields_of_later_versions_are_accepted(stored: Stored) -> None:
    content = deepcopy(stored.content)
    for part in (content, content["params"], content["params"]["calibration"], content["metrics"]):
        part["unknown"] = {"nested": [1, None]}
    stored.write(content)
    assert not stored.is_refused()


def test_every_array_is_checked(either: Stored) -> None:
    for name, array in either.arrays.items():
        refused = 0
        for value in (*damaged_arrays(array), None):
            arrays = {**either.arrays, name: value}
            if value is None:
                del arrays[name]
            either.write(either.content, pack(arrays))
            refused += either.is_refused()
        assert refused > 14, name


def pickled() -> bytes:
    content = io.BytesIO()
    np.savez(content, **{"centroids": np.array([{}], object)})  # type: ignore[arg-type]
    return content.getvalue()


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s, 50), }"
ARCHIVES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"la la la",
    "one array": lambda: npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", b"0" * 8),
    "pickle": pickled,
    "empty": lambda: archive({}),
    "no arrays": lambda: archive({"centroids": b"x", "centroids.npy": b"x"}),
    "bomb": lambda: archive({"centroids.npy": npy(HUGE % 10**6, bytes(3 * 10**8))}),
    "bomb beside": lambda: archive({"other": bytes(3 * 10**8)}),
    "huge claim": lambda: archive({"centroids.npy": npy(HUGE % 10**12)}),
    "claim": lambda: archive({"centroids.npy": npy(HUGE % 10**4)}),
    "negative": lambda: archive({"centroids.npy": npy(HUGE % -3)}),
    "nested header": lambda: archive({"centroids.npy": npy("(" * 100)}),
    "code": lambda: archive({"centroids.npy": npy("__import__('os').getpid()")}),
    "bzip2": lambda: archive({"centroids.npy": npy(HUGE % 1)}, zipfile.ZIP_BZIP2),
}


@pytest.mark.parametrize(
    "packed",
    variants(ARCHIVES.values(), default={*ARCHIVES.values()} - {ARCHIVES["bomb beside"]}),
    ids=ARCHIVES,
)
def test_invalid_array_files_are_refused(stored: Stored, packed: Callable[[], bytes]) -> None:
    stored.write(stored.content, packed())
    assert stored.is_refused()


@pytest.mark.parametrize("seed", variants(range(60), default=range(15)))
def test_damaged_archives_are_refused_or_harmless(stored: Stored, seed: int) -> None:
    stored.write(stored.content, mutated(pack(stored.arrays), seed))
    stored.is_refused()


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\xff\xfe", b"null", b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b"1" * 5000,
        b'{"form": NaN}', b'{"form": 2, "form": []}', b'"\\ud800"', b" " * (1 << 25),
    ],
    ids=range(11),
)  # fmt: skip
def test_invalid_descriptions_are_refused(stored: Stored, text: bytes) -> None:
    stored.write(stored.content)
    stored.json.write_bytes(text)
    assert stored.is_refused()
    with pytest.raises(ModelError) as caught:
        stored.models.describe("mine")
    assert (caught.value.retrain, caught.value.field) == ("mine", "genres")
