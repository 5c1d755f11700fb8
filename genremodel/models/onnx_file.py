"""Read ONNX files without the `onnx` package: the nodes and constants of a network.

An ONNX file is a protocol buffer message. Only what the bundled networks use is read: operators
with integer attributes, and constants as raw data.

References
----------
https://protobuf.dev/programming-guides/encoding, and `onnx.proto` for the numbers of the fields.
"""

from __future__ import annotations

from collections import defaultdict
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from genremodel.errors import ModelError

_DTYPES = {1: "<f4", 7: "<i8"}  # by TensorProto.DataType
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_INT, _INTS = 2, 7  # AttributeProto.AttributeType

Attribute: TypeAlias = "int | list[int]"


class Node(NamedTuple):
    """An operator with the names of its input and output values."""

    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Attribute]


class Graph(NamedTuple):
    """The nodes of a network in the order of evaluation, and its constants by name."""

    nodes: list[Node]
    constants: dict[str, NDArray[Any]]


def read_graph(content: bytes) -> Graph:
    """Return the graph of an ONNX file.

    Parameters
    ----------
    content : bytes
        The content of the file.

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
        graph = _Message(memoryview(content)).message(7)
        nodes = [_node(message) for message in graph.messages(1)]
        constants = {message.text(8): _array(message) for message in graph.messages(5)}
    except ValueError as exc:
        raise ModelError(f"invalid ONNX file: {exc}") from exc
    return Graph(nodes, constants)


def _node(message: _Message) -> Node:
    operator = ".".join(filter(None, (message.text(7), message.text(4))))  # with its domain
    attributes = {part.text(1): _attribute(part) for part in message.messages(5)}
    return Node(operator, message.texts(1), message.texts(2), attributes)


def _attribute(message: _Message) -> Attribute:
    kind = message.integer(20)
    if kind == _INT:
        return message.integer(3)
    if kind == _INTS:
        return message.integers(8)
    raise ValueError(f"attribute {message.text(1)!r} of unsupported type {kind}")


def _array(message: _Message) -> NDArray[Any]:
    name, shape, kind = message.text(8), message.integers(1), message.integer(2)
    if kind not in _DTYPES:
        raise ValueError(f"constant {name!r} of unsupported type {kind}")
    dtype, content = np.dtype(_DTYPES[kind]), message.content(9)
    if prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"constant {name!r} has {len(content)} bytes for the shape {shape}")
    return np.frombuffer(content, dtype).reshape(shape)


class _Message:
    """A protocol buffer message: the values of its fields by their numbers.

    All methods raise ValueError if the message is damaged.
    """

    def __init__(self, content: memoryview) -> None:
        self._fields: defaultdict[int, list[int | memoryview]] = defaultdict(list)
        position = 0
        while position < len(content):
            key, position = _varint(content, position)
            number, wire_type = key >> 3, key & 7
            if wire_type == _VARINT:
                value, position = _varint(content, position)
                self._fields[number].append(value)
                continue
            if wire_type == _BYTES:
                size, position = _varint(content, position)
            elif wire_type in (_FIXED64, _FIXED32):
                size = 8 if wire_type == _FIXED64 else 4
            else:
                raise ValueError(f"wire type {wire_type}")
            end = position + size
            if end > len(content):
                raise ValueError("truncated")
            self._fields[number].append(content[position:end])
            position = end

    def contents(self, number: int) -> list[memoryview]:
        """Return the values of a field of bytes, texts or messages."""
        values = self._fields[number]
        if any(isinstance(value, int) for value in values):
            raise ValueError(f"field {number} is a number")
        return values  # type: ignore[return-value]

    def content(self, number: int) -> memoryview:
        """Return the last value of such a field: the one that counts."""
        return (self.contents(number) or [memoryview(b"")])[-1]

    def messages(self, number: int) -> list[_Message]:
        return [_Message(content) for content in self.contents(number)]

    def message(self, number: int) -> _Message:
        return _Message(self.content(number))

    def texts(self, number: int) -> list[str]:
        return [str(content, "utf-8") for content in self.contents(number)]

    def text(self, number: int) -> str:
        return str(self.content(number), "utf-8")

    def integers(self, number: int) -> list[int]:
        """Return signed integers, packed or not."""
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

    def integer(self, number: int) -> int:
        return (self.integers(number) or [0])[-1]


def _varint(content: memoryview, start: int) -> tuple[int, int]:
    """Return an integer of 7 bits a byte, the lowest first, and the position after it."""
    value = 0
    for position, byte in enumerate(content[start : start + 10]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, start + position + 1
    raise ValueError("truncated")
