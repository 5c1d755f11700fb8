"""Read the nodes and constants of ONNX files, without the `onnx` package.

An ONNX file is a protocol buffer message, see https://protobuf.dev/programming-guides/encoding.
The fields have the numbers of `onnx.proto`. Attributes other than integers, and constants that are
not raw data, are not read: the bundled networks have none.
"""

from __future__ import annotations

from collections import defaultdict
from math import prod
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from genremodel.errors import ModelError

_DTYPES = {1: "<f4", 7: "<i8"}  # by TensorProto.DataType
_INT, _INTS = 2, 7  # AttributeProto.AttributeType
_VARINT, _BYTES = 0, 2  # wire types
_MOST_AXES = 8  # of a constant
_FIXED_SIZES = {1: 8, 5: 4}  # bytes, by wire type

T = TypeVar("T")


class Node(NamedTuple):
    """An operator with the names of its input and output values."""

    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, int | list[int]]


class Graph(NamedTuple):
    """The nodes of a network in the order of evaluation, and its constants by name."""

    nodes: list[Node]
    constants: dict[str, NDArray[Any]]


def read_graph(content: bytes) -> Graph:
    """Return the graph of an ONNX file.

    Raises
    ------
    ModelError
        If the file is damaged, or has other kinds of attributes or constants.

    Examples
    --------
    >>> from genremodel.models.bundled import MSD_FILE, read
    >>> graph = read_graph(read(MSD_FILE))
    >>> graph.nodes[0]
    Node(operator='MatMul', inputs=['power', 'v0'], outputs=['v1'], attributes={})
    >>> graph.constants["v0"].shape
    (257, 96)
    """
    try:
        graph = _only(_Message(memoryview(content)).messages(7))
        nodes = [_node(message) for message in graph.messages(1)]
        return Graph(nodes, dict(_constant(message) for message in graph.messages(5)))
    except ValueError as exc:
        raise ModelError(f"invalid ONNX file: {exc}") from exc


def _node(message: _Message) -> Node:
    operator = ".".join([*message.texts(7), *message.texts(4)])  # with its domain, if any
    attributes = dict(_attribute(part) for part in message.messages(5))
    return Node(operator, message.texts(1), message.texts(2), attributes)


def _attribute(message: _Message) -> tuple[str, int | list[int]]:
    name, kind = _only(message.texts(1)), _only(message.integers(20))
    if kind not in (_INT, _INTS):
        raise ValueError(f"attribute {name!r} of unsupported type {kind}")
    return name, _only(message.integers(3)) if kind == _INT else message.integers(8)


def _constant(message: _Message) -> tuple[str, NDArray[Any]]:
    name, kind = _only(message.texts(8)), _only(message.integers(2))
    if kind not in _DTYPES:
        raise ValueError(f"constant {name!r} of unsupported type {kind}")
    shape, dtype, content = message.integers(1), np.dtype(_DTYPES[kind]), message.contents(9)
    if len(shape) > _MOST_AXES or min(shape, default=0) < 0:
        raise ValueError(f"constant {name!r} of unsupported shape")
    if prod(shape) * dtype.itemsize != sum(map(len, content)):
        raise ValueError(f"constant {name!r} has too little or too much data")
    return name, np.frombuffer(_only(content), dtype).reshape(shape)


def _only(values: list[T]) -> T:
    if len(values) != 1:
        raise ValueError("a field is missing or repeated")
    return values[0]


class _Message:
    """The values of the fields of a message by their numbers. Methods raise ValueError."""

    def __init__(self, content: memoryview) -> None:
        self._fields: defaultdict[int, list[int | memoryview]] = defaultdict(list)
        position = 0
        while position < len(content):
            key, position = _varint(content, position)
            number, wire_type = key >> 3, key & 7
            size = _FIXED_SIZES.get(wire_type)
            if size is None:
                size, position = _varint(content, position)
            if wire_type == _VARINT:
                self._fields[number].append(size)
                continue
            if wire_type not in (_BYTES, *_FIXED_SIZES) or position + size > len(content):
                raise ValueError("truncated or damaged")
            self._fields[number].append(content[position : position + size])
            position += size

    def contents(self, number: int) -> list[memoryview]:
        return [value for value in self._fields[number] if not isinstance(value, int)]

    def messages(self, number: int) -> list[_Message]:
        return [_Message(content) for content in self.contents(number)]

    def texts(self, number: int) -> list[str]:
        return [str(content, "utf-8") for content in self.contents(number)]

    def integers(self, number: int) -> list[int]:
        """Return signed integers, whether they are packed into one value or not."""
        found = []
        for value in self._fields[number]:
            if isinstance(value, int):
                found.append(value)
                continue
            position = 0
            while position < len(value):
                integer, position = _varint(value, position)
                found.append(integer)
        return [value - (1 << 64) if value >> 63 else value for value in found]


def _varint(content: memoryview, start: int) -> tuple[int, int]:
    """Return an integer of 7 bits a byte, the lowest first, and the position after it."""
    value = 0
    for index, byte in enumerate(content[start : start + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, start + index + 1
    raise ValueError("truncated or damaged")
