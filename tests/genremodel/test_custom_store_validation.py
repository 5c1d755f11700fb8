"""Every stored field and array of a custom model is checked when the model is loaded."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genremodel.analysis import OUTPUT_SIZE
from genremodel.custom.custom_model import Estimator
from genremodel.custom.store import ModelStore
from genremodel.errors import ModelError
from genremodel.voting import vote_track
from tests.faults import mutated
from tests.labeled_tracks import custom_model, window_values
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
        for rows in (window_values(), np.full((1, OUTPUT_SIZE), 0.999)):
            starts, audible = np.arange(float(len(rows))), np.ones(len(rows), np.bool_)
            prediction = vote_track(*loaded.predict_proba(rows), starts, audible, loaded.params)
            assert prediction.confidence is not None
            assert sum(prediction.probabilities.values()) == pytest.approx(1)
        return False


@pytest.fixture(scope="module", params=["linear", "neighbors"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Return a model of each estimator."""
    return Stored(tmp_path_factory.mktemp("models"), request.param)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return Stored(tmp_path_factory.mktemp("models"), "linear")


DROPPED = object()
NONSENSE: list[Any] = [
    DROPPED, None, True, False, 0, -1, 2, 0.5, 1e300, 10**400, np.nan, np.inf, -np.inf, "", " ",
    "x", "a\nb", "\x00", "\ud800", [], [[]], {}, {"a": {}}, [None], [""], ["a", "a"],
    [np.nan] * 3, ["a\x1b", "b", "c"], [1, 2, 3], [-1.0, 0.5, 0.5], [{}, {}, {}], "x" * 10_000,
    list(range(1000)),
]  # fmt: skip
HARMLESS = {("metrics", "artists"), ("metrics", "calibration_error")}  # for people


def paths(content: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in content.items():
        yield (*prefix, name)
        if isinstance(value, dict):
            yield from paths(value, (*prefix, name))


def test_every_field_of_a_description_is_checked(stored: Stored) -> None:
    """With any replacement, the model is refused or works."""
    for path in paths(stored.content):
        refused = 0
        for value in NONSENSE:
            content = deepcopy(stored.content)
            *parents, name = path
            part = content
            for parent in parents:
                part = part[parent]
            if value is DROPPED:
                del part[name]
            else:
                part[name] = value
            stored.write(content)
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
    content = deepcopy(stored.content)
    *parents, name = path.split(".")
    part = content
    for parent in parents:
        part = part[parent]
    part[name] = value
    stored.write(content)
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
    replacements: list[Any] = [
        np.float64(0), np.zeros(0), np.zeros((0, 100)), np.zeros((3, 3)), np.zeros((1, 1, 1)),
        np.array("text"), np.array(["a", "b"]), np.array([1 + 2j]), np.array([b"x"]),
        np.zeros(3, [("a", "f8")]), np.array(True), np.array([2**63 - 1]), np.zeros(10**6, np.int8),
        np.array("2020-01-01", "M8[D]"),
    ]  # fmt: skip
    for name, array in either.arrays.items():
        damaged = [array.astype(np.float16), array.astype(str), array[..., np.newaxis], array * 0]
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
        refused = 0
        for value in (*replacements, *damaged, None):
            arrays = {**either.arrays, name: value}
            if value is None:
                del arrays[name]
            either.write(either.content, pack(arrays))
            refused += either.is_refused()
        assert refused > len(replacements), name


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode().ljust(118 - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def archive(parts: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression, compresslevel=1) as packed:
        for name, part in parts.items():
            packed.writestr(name, part)
    return content.getvalue()


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
    assert caught.value.retrain == "mine"
