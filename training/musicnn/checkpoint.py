"""Reads a TensorFlow checkpoint of plain float tensors without TensorFlow.

A checkpoint is a pair of files: `.index`, a LevelDB-style sorted table that maps the name of a
tensor to a small protocol-buffer message (`BundleEntryProto`: type, shape, offset, size), and
`.data`, the concatenated bytes of the tensors. Formats: LevelDB `doc/table_format.md` and
TensorFlow `tensor_bundle.proto`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Tensors: TypeAlias = dict[str, NDArray[np.float32]]

_FOOTER = 48  # bytes at the end of a table: two block handles, padding, magic number
_MAGIC = 0xDB4775248B80FB57
_DT_FLOAT = 1
_DTYPE, _SHAPE, _OFFSET, _SIZE = 1, 2, 4, 5  # fields of BundleEntryProto
_DIM, _DIM_SIZE = 2, 1  # fields of TensorShapeProto and of its Dim


def read_checkpoint(index: bytes, data: bytes) -> Tensors:
    """Return the float32 tensors of a checkpoint by name; optimizer state is skipped.

    Raises ValueError if `index` is not such a table.
    """
    if len(index) < _FOOTER or struct.unpack("<Q", index[-8:])[0] != _MAGIC:
        raise ValueError("not a checkpoint index: wrong magic number")
    footer = index[-_FOOTER:]
    _, _, position = _handle(footer, 0)  # the meta index, which is empty
    root_offset, root_size, _ = _handle(footer, position)
    tensors: Tensors = {}
    for _, handle in _entries(_block(index, root_offset, root_size)):
        offset, size, _ = _handle(handle, 0)
        for name, message in _entries(_block(index, offset, size)):
            if name and b"Adam" not in name:  # the empty name is the header of the bundle
                tensors[name.decode()] = _tensor(message, data)
    return tensors


def _tensor(message: bytes, data: bytes) -> NDArray[np.float32]:
    fields = dict(_fields(message))
    if fields.get(_DTYPE) != _DT_FLOAT:
        raise ValueError("only float tensors are expected in the checkpoint")
    shape = [
        dict(_fields(dim)).get(_DIM_SIZE, 0)
        for number, dim in _fields(fields.get(_SHAPE, b""))
        if number == _DIM
    ]
    offset, size = fields.get(_OFFSET, 0), fields[_SIZE]
    return np.frombuffer(data[offset : offset + size], "<f4").reshape(shape)


def _block(table: bytes, offset: int, size: int) -> bytes:
    if table[offset + size] != 0:
        raise ValueError("compressed checkpoint tables are not supported")
    return table[offset : offset + size]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block; each key shares a prefix with the previous one."""
    (restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 * (restarts + 1)
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the number and value of each field of a protocol-buffer message."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire == 2:
            length, position = _varint(message, position)
        else:
            length = {1: 8, 5: 4}[wire]
        yield number, message[position : position + length]
        position += length


def _handle(data: bytes, position: int) -> tuple[int, int, int]:
    offset, position = _varint(data, position)
    size, position = _varint(data, position)
    return offset, size, position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Decode a base-128 integer; return it and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
