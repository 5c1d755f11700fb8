"""Read untrusted JSON and npz files: limit their size, check every value."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genremodel.display import has_control_characters

# Larger values make no sense in a model, and their sums and squares may not be finite.
_LARGEST = 1e9


def read_file(file: Path, limit: int) -> bytes:
    """Return the content of a file, of at most `limit` bytes.

    Raises OSError, and ValueError if it is larger or not a regular file: a pipe could block.
    """
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size > limit:
        raise ValueError(f"larger than {limit} bytes")
    with file.open("rb") as content:
        return content.read(limit)


class JsonFields:
    """The fields of a JSON object. Methods raise ValueError with the name of the field."""

    def __init__(self, content: object, name: str = "") -> None:
        if not isinstance(content, dict):
            raise ValueError(f"{name or 'the content'} is not an object")  # noqa: TRY004
        self.content: dict[str, Any] = content
        self._prefix = f"{name}." if name else ""

    @classmethod
    def parse(cls, text: bytes) -> JsonFields:
        """Return the fields of a JSON text."""
        try:
            content = json.loads(text.decode())
        except RecursionError:
            raise ValueError("nested too deeply") from None
        except ValueError as exc:
            raise ValueError("its description is not valid JSON") from exc
        return cls(content)

    def fields(self, name: str) -> JsonFields:
        """Return the fields of a nested object."""
        return JsonFields(self._get(name), self._prefix + name)

    def text(self, name: str) -> str:
        """Return a string that is not blank and has no control characters."""
        return _text(self._get(name), self._prefix + name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of distinct strings, at least one."""
        found = tuple(_text(value, self._prefix + name) for value in self._list(name))
        if not found or len({*found}) < len(found):
            raise ValueError(f"{self._prefix}{name} is empty or has duplicates")
        return found

    def flag(self, name: str) -> bool:
        """Return a boolean."""
        value = self._get(name)
        if not isinstance(value, bool):
            raise ValueError(f"{self._prefix}{name} is not a boolean")  # noqa: TRY004
        return value

    def number(self, name: str, lowest: float = -_LARGEST, highest: float = _LARGEST) -> float:
        """Return a number within bounds."""
        return _number(self._get(name), self._prefix + name, lowest, highest)

    def count(self, name: str) -> int:
        """Return a whole number of at least 0."""
        number = self.number(name, 0)
        if not number.is_integer():
            raise ValueError(f"{self._prefix}{name} is not a whole number")
        return int(number)

    def shares(self, name: str, count: int) -> tuple[float, ...]:
        """Return a list of numbers from 0 to 1, and of this length."""
        values = self._list(name)
        if len(values) != count:
            raise ValueError(f"{self._prefix}{name} has {len(values)} values, not {count}")
        return tuple(_number(value, self._prefix + name, 0, 1) for value in values)

    def _list(self, name: str) -> list[object]:
        values = self._get(name)
        if not isinstance(values, list):
            raise ValueError(f"{self._prefix}{name} is not a list")  # noqa: TRY004
        return values

    def _get(self, name: str) -> object:
        if name not in self.content:
            raise ValueError(f"{self._prefix}{name} is missing")
        return self.content[name]


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip() or has_control_characters(value):
        raise ValueError(f"{name} is not a string, is blank or has control characters")
    return value


def _number(value: object, name: str, lowest: float, highest: float) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and lowest <= value <= highest):  # type: ignore[operator]
        raise ValueError(f"{name} is not a number from {lowest:g} to {highest:g}")
    return float(value)  # type: ignore[arg-type]


class NpzArrays:
    """The arrays of an npz file. `get` raises ValueError with the name of the array.

    limit: total size in bytes. Raises ValueError or zipfile.BadZipFile if the file is damaged.
    """

    def __init__(self, packed: bytes, names: Collection[str], limit: int) -> None:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            if sum(part.file_size for part in archive.infolist()) > limit:
                raise ValueError(f"its arrays are larger than {limit} bytes")
        try:
            with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
                self._arrays = {name: stored[name] for name in names if name in stored}
        except Exception as exc:  # NumPy and zipfile raise many kinds, some with unsafe advice
            raise ValueError("its arrays cannot be read") from exc

    def get(self, name: str, shape: tuple[int | None, ...], kinds: str = "f") -> NDArray[Any]:
        """Return an array of finite numbers. shape: None for any length. kinds: of its dtype."""
        array = self._arrays.get(name)
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{name} is missing")  # noqa: TRY004
        if array.dtype.kind not in kinds:
            raise ValueError(f"{name} is of type {array.dtype}")
        if array.ndim != len(shape) or any(
            expected not in (None, length)
            for expected, length in zip(shape, array.shape, strict=True)
        ):
            raise ValueError(f"{name} has the shape {array.shape}")
        if not (array.size and (abs(array) <= np.float64(_LARGEST)).all()):  # above any float16
            raise ValueError(f"{name} is empty, or has values that are not finite or too large")
        return array
