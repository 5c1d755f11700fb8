"""Files of exported models: complete, the same everywhere, and every value checked."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genremodel import GenreClassifier
from genremodel.custom import CustomModel, ModelStore, train
from genremodel.errors import ModelError
from tests.crafted_models import (
    NONSENSE,
    archive,
    assert_works,
    damaged_arrays,
    npy,
    paths,
    with_value,
)
from tests.faults import mutated
from tests.labeled_tracks import custom_model, labeled_tracks, window_values
from tests.platforms import posix

FIGURES = {
    "tracks": 60, "artists": 10, "accuracy": 0.9, "majority": 0.4, "calibration_error": 0.1,
    "compared": 60, "own": 54, "bundled": 20, "missed": ["genre 2"],
}  # fmt: skip
COMPARED = {**FIGURES, "default": True, "unknown": "to later versions"}
STORED = zipfile.ZIP_STORED


class Exported:
    """The file of an exported model, whose parts are replaced by tests."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "mine.genremodel"
        self.model = replace(custom_model(), metrics=COMPARED)
        self.model.export(self.file)
        self.packed = self.file.read_bytes()
        with zipfile.ZipFile(self.file) as parts:
            self.parts = {name: parts.read(name) for name in parts.namelist()}
        self.content = json.loads(self.parts["model.json"])

    def write(
        self, content: object, arrays: Mapping[str, bytes] = {}, *, compression: int = STORED
    ) -> None:
        """Write a description and arrays as one file."""
        parts = {**self.parts, **arrays, "model.json": json.dumps(content).encode()}
        self.file.write_bytes(archive(parts, compression))

    def load(self) -> CustomModel | None:
        """Return the model, None if it is refused. Fail if it does not work."""
        try:
            loaded = CustomModel.load(self.file)
        except ModelError as exc:
            message = str(exc)
        else:
            assert_works(loaded)
            return loaded
        assert message.startswith(f"{self.file}: ")
        assert len(message.splitlines()) == 1
        return None


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp("exported"))


def refusal(exported: Exported) -> str:
    """Return the message without the name of the file."""
    with pytest.raises(ModelError) as caught:
        CustomModel.load(exported.file)
    return str(caught.value).removeprefix(f"{exported.file}: ")


def test_exported_model_predicts_exactly_the_same(tmp_path: Path) -> None:
    model = custom_model()
    stored = ModelStore(tmp_path / "models").save(model)
    model.export(tmp_path / "mine.genremodel")
    loaded = CustomModel.load(tmp_path / "mine.genremodel")
    expected, found = model.predict_proba(window_values()), loaded.predict_proba(window_values())
    assert (found.probabilities == expected.probabilities).all()
    assert found.novelty == expected.novelty
    assert loaded.params == replace(model.params, model=stored.id)
    assert (loaded.installed, loaded.metrics) == (True, {**model.metrics, "default": False})


def test_same_model_gives_the_same_bytes_and_id(exported: Exported, tmp_path: Path) -> None:
    """Wherever it is exported, and by whom."""
    exported.file.write_bytes(exported.packed)
    installed = ModelStore(tmp_path / "models")
    info = installed.install(replace(exported.model, features_version=networks()))
    assert info.installed
    for model in (CustomModel.load(exported.file), replace(exported.model, name="other")):
        model.export(tmp_path / "again.genremodel")
        assert (tmp_path / "again.genremodel").read_bytes() == exported.packed
    installed.load("mine").export(tmp_path / "mine.genremodel")
    assert CustomModel.load(tmp_path / "mine.genremodel").params.model == info.id
    with zipfile.ZipFile(exported.file) as parts:
        for part in parts.infolist():
            assert part.date_time == (1980, 1, 1, 0, 0, 0)
            assert (part.create_system, part.compress_type, part.extra) == (3, STORED, b"")


def networks() -> str:
    return GenreClassifier().features_version


def test_file_has_only_the_listed_content(exported: Exported) -> None:
    content = exported.content
    assert {*exported.parts} == {
        "model.json", "bias.npy", "centroids.npy", "weight.npy", "whitening.npy",
    }  # fmt: skip
    assert {*content} == {
        "genremodel", "field", "features_version", "estimator", "rejects_nonmusic", "params",
        "metrics", "trained",
    }  # fmt: skip
    assert {*content["params"]} == {"genres", "prior", "calibration", "min_confidence"}
    assert content["metrics"] == FIGURES
    assert len(content["trained"]) == len("2026-01-01")
    assert b"artist 1" not in exported.packed  # of the tracks
    assert b"mine" not in exported.packed


def test_neighbors_are_not_exported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="only linear models can be exported"):
        custom_model("neighbors").export(tmp_path / "mine.genremodel")
    assert [*tmp_path.iterdir()] == []
    model, report = train(labeled_tracks(), estimator="linear")
    assert [*report.balanced_accuracy] == ["linear"]
    model.export(tmp_path / "mine.genremodel")


def test_models_that_cannot_be_installed_are_not_exported(tmp_path: Path) -> None:
    long = replace(custom_model().params, genres=("a", "b", "c" * 1000))
    for model in (
        replace(custom_model(), params=long),
        replace(custom_model(), metrics={}),
        replace(custom_model(), trained=1e30),
    ):
        with pytest.raises(ModelError, match="mine: cannot be exported: "):
            model.export(tmp_path / "mine.genremodel")
    assert [*tmp_path.iterdir()] == []


def test_only_model_files_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "mine.genremodel"
    custom_model().export(file)
    before = file.read_bytes()
    replace(custom_model(), field="mood").export(file)
    assert file.read_bytes() != before
    for other in (b"a diary", archive({"song.mp3": b"music"}), b""):
        file.write_bytes(other)
        with pytest.raises(ModelError, match="exists and is not a model file"):
            custom_model().export(file)
        assert file.read_bytes() == other
    with pytest.raises(ModelError, match=r"must end with \.genremodel"):
        custom_model().export(tmp_path / "mine.zip")
    with pytest.raises(ModelError, match="there is no folder"):
        custom_model().export(tmp_path / "none" / "mine.genremodel")
    assert [*tmp_path.iterdir()] == [file]


def test_every_field_is_checked(exported: Exported) -> None:
    """With any replacement, the model is refused or works."""
    for path in paths(exported.content):
        refused = 0
        for value in NONSENSE:
            exported.write(with_value(exported.content, path, value))
            refused += exported.load() is None
        assert refused > len(NONSENSE) / 2, path


def test_every_array_is_checked(exported: Exported) -> None:
    for part in sorted({*exported.parts} - {"model.json"}):
        refused = 0
        array = np.load(io.BytesIO(exported.parts[part]))
        for value in damaged_arrays(array):
            content = io.BytesIO()
            np.save(content, value)
            exported.write(exported.content, {part: content.getvalue()})
            refused += exported.load() is None
        assert refused > 14, part
        parts = {name: content for name, content in exported.parts.items() if name != part}
        exported.file.write_bytes(archive(parts, STORED))
        assert refusal(exported) == f"{part.removesuffix('.npy')} is missing"


def test_unknown_fields_are_ignored(exported: Exported) -> None:
    content = {**exported.content, "form": 2, "id": "bundled-cnn-4", "installed": False, "x": [{}]}
    exported.write(content, {"notes.txt": b"from a friend"})
    loaded = exported.load()
    assert loaded
    assert loaded.installed
    assert loaded.params.model.startswith("mine-")


REFUSED: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "newer": (("genremodel",), 2, "written by a newer version of genreclf; update it"),
    "neighbors": (("estimator",), "neighbors", "not a linear model"),
    "long label": (("params", "genres"), ["a", "b", "c" * 201], "more than 200 characters"),
    "missed": (("metrics", "missed"), ["la"], "metrics.missed is not a list of genres"),
    "half a track": (("metrics", "tracks"), 2.5, "metrics.tracks is not a whole number"),
    "more than all": (("metrics", "own"), 61, "metrics.compared is less than metrics.own"),
    "no share": (("params", "prior"), [0.5, 0.5, 1.5], "params.prior is not a number from 0 to 1"),
    "week": (("trained",), "2026-W05", "trained is not a day such as 2026-01-31"),
    "no day": (("trained",), "yesterday", "trained is not a day such as 2026-01-31"),
    "far future": (("trained",), "9999-01-01", "trained is not a number from 0"),
    "before computers": (("trained",), "0001-01-01", "trained is not a number from 0"),
}


@pytest.mark.parametrize(("path", "value", "message"), REFUSED.values(), ids=REFUSED)
def test_message_gives_the_reason(
    exported: Exported, path: tuple[str, ...], value: Any, message: str
) -> None:
    exported.write(with_value(exported.content, path, value))
    assert message in refusal(exported)


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s, 50), }"
NOT_OURS = "not a model file, or damaged"
NO_JSON = "its description is not valid JSON"
UNREADABLE = "its arrays cannot be read"
FILES: dict[str, tuple[Callable[[Exported], bytes], str]] = {
    "empty": (lambda _: b"", NOT_OURS),
    "text": (lambda _: b"la la la", NOT_OURS),
    "other archive": (lambda _: archive({"song.mp3": b"music"}, STORED), NOT_OURS),
    "half": (lambda exported: exported.packed[: len(exported.packed) // 2], NOT_OURS),
    "but a byte": (lambda exported: exported.packed[:-1], NOT_OURS),
    "compressed": (lambda exported: archive(exported.parts), "has compressed parts"),
    "bzip2": (lambda exported: archive(exported.parts, zipfile.ZIP_BZIP2), "compressed"),
    "claim": (lambda x: archive({**x.parts, "bias.npy": npy(HUGE % 10**12)}, STORED), UNREADABLE),
    "header": (lambda x: archive({**x.parts, "bias.npy": npy("(" * 100)}, STORED), UNREADABLE),
    "code": (lambda x: archive({**x.parts, "bias.npy": npy("exit()")}, STORED), UNREADABLE),
    "pickle": (lambda x: archive({**x.parts, "bias.npy": pickled()}, STORED), UNREADABLE),
    "deep": (lambda x: archive({**x.parts, "model.json": b"[" * 10**6}, STORED), "nested"),
    "no JSON": (lambda x: archive({**x.parts, "model.json": b"{"}, STORED), NO_JSON),
    "UTF-16": (lambda x: archive({**x.parts, "model.json": b"\xff\xfe{\0"}, STORED), NO_JSON),
    "digits": (lambda x: archive({**x.parts, "model.json": b"1" * 5000}, STORED), NO_JSON),
    "prefix": (lambda exported: b"#!/bin/sh\n" + exported.packed, UNREADABLE),
    "large": (lambda _: bytes((1 << 25) + 1), "larger than"),
}


def pickled() -> bytes:
    content = io.BytesIO()
    np.save(content, np.array([{}], object))
    return content.getvalue()


@pytest.mark.parametrize(("craft", "message"), FILES.values(), ids=FILES)
def test_invalid_files_are_refused(
    exported: Exported, craft: Callable[[Exported], bytes], message: str
) -> None:
    exported.file.write_bytes(craft(exported))
    assert exported.load() is None
    assert message in refusal(exported)


def test_parts_that_claim_the_same_bytes_are_refused(exported: Exported) -> None:
    """Together they are larger than the file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", STORED) as parts:
        for name, content in exported.parts.items():
            parts.writestr(name, content)
        parts.writestr("0", bytes(1 << 20))
        for number in range(1, 40):
            parts.filelist.append(copy(parts.getinfo("0")))
            parts.filelist[-1].filename = str(number)
    exported.file.write_bytes(packed.getvalue())
    assert "arrays are larger than" in refusal(exported)


@pytest.mark.parametrize("name", ["model.json", "bias.npy"])
def test_parts_of_the_same_name_are_refused(exported: Exported, name: str) -> None:
    """Other programs may show the first of them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", STORED) as parts:
        for part, content in exported.parts.items():
            parts.writestr(part, content)
        with pytest.warns(UserWarning, match="Duplicate name"):
            parts.writestr(name, exported.parts[name])
    exported.file.write_bytes(packed.getvalue())
    assert refusal(exported) == "has several parts of the same name"


def test_arrays_of_half_precision_are_read(exported: Exported) -> None:
    bias = np.load(io.BytesIO(exported.parts["bias.npy"]))
    half = io.BytesIO()
    np.save(half, bias.astype(np.float16))
    exported.write(exported.content, {"bias.npy": half.getvalue()})
    assert exported.load()


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
def test_flipped_bits_are_found(exported: Exported, data: st.DataObject) -> None:
    """By the checksums of the archive, unless nothing reads these bits."""
    damaged = bytearray(exported.packed)
    bits = st.integers(0, 8 * len(damaged) - 1)
    for bit in data.draw(st.sets(bits, min_size=1, max_size=8)):
        damaged[bit // 8] ^= 1 << bit % 8
    exported.file.write_bytes(damaged)
    loaded = exported.load()
    assert loaded is None or loaded.params.model == original_id(exported)


def original_id(exported: Exported) -> str:
    exported.file.write_bytes(exported.packed)
    return CustomModel.load(exported.file).params.model


@given(st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_mutated_files_are_refused_or_the_same(exported: Exported, seed: int) -> None:
    exported.file.write_bytes(mutated(exported.packed, seed))
    loaded = exported.load()
    assert loaded is None or loaded.params.model == original_id(exported)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_truncated_files_are_refused(exported: Exported, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(exported.packed) - 1))
    exported.file.write_bytes(exported.packed[:length])
    assert exported.load() is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_is_refused_or_works(exported: Exported, data: st.DataObject) -> None:
    """With checksums that are correct."""
    content = exported.content
    for path in data.draw(st.lists(st.sampled_from([*paths(content)]), min_size=1, max_size=2)):
        try:
            content = with_value(content, path, data.draw(JSON))
        except (KeyError, TypeError):  # the other value has no such field
            continue
    exported.write(content)
    exported.load()


@posix
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "nowhere"])
def test_special_files_are_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "mine.genremodel"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero" if kind == "device" else "nowhere")
    with pytest.raises(ModelError, match=r"regular file|directory|No such file"):
        CustomModel.load(file)
