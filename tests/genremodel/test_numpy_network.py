"""The NumPy runtime: the same constants and outputs as with `onnx` and ONNX Runtime."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from genremodel import GenreClassifier, ModelError
from genremodel.audio.spectrogram import power_spectrogram
from genremodel.audio.windows import read_windows
from genremodel.models import bundled
from genremodel.models.bundled import MSD_FILE, MTT_FILE
from genremodel.models.musicnn import bundled_session
from genremodel.models.numpy_network import NumpyNetwork
from genremodel.models.onnx_file import read_graph
from tests.sounds import RATE, drums, melody

BOTH = pytest.mark.parametrize("name", [MSD_FILE, MTT_FILE])
LARGEST_MEMORY = 300e6  # bytes while a network is loaded


@BOTH
def test_constants_are_those_that_onnx_reads(name: str) -> None:
    content = bundled.read(name)
    expected = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load_from_string(content).graph.initializer
    }
    found = read_graph(content).constants
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert found[key].dtype == array.dtype, key
        assert found[key].shape == array.shape, key
        np.testing.assert_array_equal(found[key], array)


@BOTH
def test_nodes_are_those_that_onnx_reads(name: str) -> None:
    content = bundled.read(name)
    assert read_graph(content).nodes == [
        (
            node.op_type,
            [*node.input],
            [*node.output],
            {part.name: helper.get_attribute_value(part) for part in node.attribute},
        )
        for node in onnx.load_from_string(content).graph.node
    ]


@BOTH
def test_outputs_are_those_of_onnxruntime(name: str) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (1, RATE * 5))
    for sound in (melody(20), drums(20), noise, noise * 0):
        power = power_spectrogram(read_windows((sound, RATE), 3).samples)
        found = bundled_session(name, "numpy").run_power(power)
        expected = bundled_session(name, "onnx").run_power(power)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, atol=2e-5)


def changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    """Return a network with a change that keeps it a readable ONNX file."""
    model = onnx.load_from_string(bundled.read(MSD_FILE))
    change(model)
    return model.SerializeToString()


def node(model: onnx.ModelProto, operator: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == operator)


def use_another_operator(model: onnx.ModelProto) -> None:
    node(model, "Relu").op_type = "Elu"


def use_another_domain(model: onnx.ModelProto) -> None:
    node(model, "Relu").domain = "com.example"


def dilate(model: onnx.ModelProto) -> None:
    node(model, "Conv").attribute.append(helper.make_attribute("dilations", [2]))


def scale(model: onnx.ModelProto) -> None:
    node(model, "Gemm").attribute.append(helper.make_attribute("alpha", 0.5))


def use_doubles(model: onnx.ModelProto) -> None:
    first = model.graph.initializer[0]
    first.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(first).astype(float), "v0"))


def pad_endlessly(model: onnx.ModelProto) -> None:
    (pads,) = (part for part in node(model, "Conv").attribute if part.name == "pads")
    pads.ints[0] = 1 << 40


def claim_another_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = 1 << 40


def drop_the_last_node(model: onnx.ModelProto) -> None:
    del model.graph.node[-1]


def swap_the_outputs(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "embedding"
    node(model, "MatMul").output[0] = "activations"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (use_another_operator, "unsupported operators: 'Elu'"),
        (use_another_domain, "unsupported operators: 'com.example.Relu'"),
        (dilate, "unexpected keyword argument 'dilations'"),
        (scale, "attribute 'alpha' of unsupported type 1"),
        (use_doubles, "constant 'v0' of unsupported type 11"),
        (pad_endlessly, "padding of"),
        (claim_another_shape, "constant 'v0' has too little or too much data"),
        (drop_the_last_node, "KeyError: 'activations'"),
        (swap_the_outputs, "the network cannot be evaluated"),
        (onnx.ModelProto.Clear, "invalid ONNX file: a field is missing or repeated"),
    ],
)
def test_other_networks_are_refused(
    change: Callable[[onnx.ModelProto], object], message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        NumpyNetwork(changed(change))
    assert message in str(caught.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for graph in (content, b"\x3a" + bytes([len(content) & 0x7F]) + content):
        try:
            read_graph(graph)
        except ModelError as exc:
            assert str(exc).startswith("invalid ONNX file: ")  # noqa: PT017


def loads(content: bytes) -> bool:
    """Return True if a network works. Fail if anything but ModelError is raised."""
    tracemalloc.start()
    try:
        activations, embeddings = NumpyNetwork(content)(np.ones((1, 187, 257), np.float32))
    except ModelError as exc:
        assert "\n" not in str(exc)  # noqa: PT017
        return False
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < LARGEST_MEMORY
    assert activations.shape == (1, 50)
    assert embeddings.shape == (1, 200)
    return True


def test_truncated_networks_are_refused() -> None:
    content = bundled.read(MSD_FILE)
    rng = np.random.default_rng(0)
    for length in (*range(0, 40), *rng.integers(len(content) - 100, size=60)):
        assert not loads(content[:length]), length


def test_flipped_bits_are_refused_or_harmless(request: pytest.FixtureRequest) -> None:
    """Most of them are flipped in the nodes and in the descriptions of the constants."""
    content = np.frombuffer(bundled.read(MSD_FILE), np.uint8)
    weights = [array for array in read_graph(content.tobytes()).constants.values() if array.size]
    described = np.ones(len(content), np.bool_)
    for array in weights:
        start = content.tobytes().find(array.tobytes())
        described[start + 8 : start + array.nbytes] = False
    places = np.flatnonzero(described)
    refused = 0
    count: int = request.config.getoption("--fuzz") // 4
    for seed in range(count):
        rng = np.random.default_rng(seed)
        flipped = content.copy()
        chosen = rng.choice(places if seed % 4 else len(content), size=1 + seed % 3)
        flipped[chosen] ^= (1 << rng.integers(8, size=len(chosen))).astype(np.uint8)
        refused += not loads(flipped.tobytes())
    assert 0.3 < refused / count < 1


def use_no_operator(model: onnx.ModelProto) -> None:
    node(model, "Relu").op_type = "NoSuchOperator"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(use_no_operator), "unsupported operators: 'NoSuchOperator'"),
        (bundled.read(MSD_FILE)[:500_000], "invalid ONNX file: truncated or damaged"),
    ],
    ids=["operator", "truncated"],
)
def test_knn_replaces_networks_that_no_runtime_can_load(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in bundled.FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / MSD_FILE).write_bytes(content)
    model = deepcopy(bundled.description())
    model["sha256"][MSD_FILE] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    monkeypatch.setattr(bundled, "description", lambda: model)
    bundled_session.cache_clear()
    classifier = GenreClassifier()
    assert (classifier.backend, classifier.fallback_reason) == ("knn", message)
